"""The grid of a sweep: `--set KEY=VALUES` read as lists of values, and every combination of them.

lr=0.01,0.1     two values; a comma inside quotes or brackets belongs to a value
seed=1..3       1, 2 and 3
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowerbed.errors import UsageError
from flowerbed.flower.app.run_config import Scalar, overrides, settings_of

MOST_RUNS = 1000  # without --max-runs
_RANGE = re.compile(r"([+-]?\d{1,18})\.\.([+-]?\d{1,18})")
_OPEN = {"[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Axis:
    """A key with its values, as `--set` takes each."""

    key: str
    values: tuple[str, ...]

    @property
    def settings(self) -> tuple[str, ...]:
        """Return `KEY=VALUE` for each value."""
        return tuple(f"{self.key}={value}" for value in self.values)


def axes(settings: Iterable[str], most: int = MOST_RUNS) -> list[Axis]:
    """Read lists of values. Raises UsageError with everything that is wrong with them."""
    found: list[Axis] = []
    problems: list[str] = []
    for setting in settings:
        key, equals, text = (part.strip() for part in setting.partition("="))
        if not key or not equals:
            problems.append(f"--set {setting}: write KEY=VALUE,VALUE or KEY=1..3")
            continue
        values = [value for part in _split(text) for value in _range(setting, part, most, problems)]
        if any(not value for value in values):
            problems.append(f'--set {setting}: a value is empty; write "" for an empty string')
        elif len(set(values)) < len(values):
            twice = next(value for value in values if values.count(value) > 1)
            problems.append(f"--set {setting}: {twice} occurs twice")
        elif any(axis.key == key for axis in found):
            problems.append(f"--set {setting}: {key} is set before; write all its values in one --set")
        else:
            found.append(Axis(key, tuple(values)))
    if problems:
        raise UsageError("\n".join(problems))
    count = 1
    for axis in found:
        count *= len(axis.values)
    if count > most:
        raise UsageError(
            f"{count:,} runs are more than the limit of {most:,}", remedy=f"--max-runs {count} allows them"
        )
    return found


def combinations(found: Sequence[Axis]) -> list[tuple[str, ...]]:
    """Return the settings of each run: the last key changes fastest."""
    return list(itertools.product(*(axis.settings for axis in found)))


def check(
    found: Sequence[Axis],
    defaults: dict[str, Scalar],
    config: Path | None = None,
    read: Mapping[str, Scalar | None] | None = None,
) -> None:
    """Check each value of each key against the app's run config once.

    Raises UsageError with all unknown keys, all values of a wrong type, and keys of inline tables set twice.
    """
    problems: list[str] = []
    for setting in (None, *(one for axis in found for one in axis.settings)):
        try:
            overrides(defaults, config, [setting] if setting else (), read)
        except UsageError as error:
            problems += error.what.splitlines()
    known = {**(read or {}), **defaults}
    keys = [key for axis in found for key in settings_of(axis.settings, known)[0]]
    problems += [f"--set: {key} is set by two of them" for key in dict.fromkeys(keys) if keys.count(key) > 1]
    if problems:
        raise UsageError("\n".join(dict.fromkeys(problems)))


def _range(setting: str, part: str, most: int, problems: list[str]) -> list[str]:
    """Return the values of `1..3`, or a value that is no range."""
    if ".." not in part or part[:1] in {'"', "'", "{", "["}:
        return [part]
    whole = _RANGE.fullmatch(part)
    if not whole:
        number = re.fullmatch(r"[-+.\deE]+", part)
        if number:
            problems.append(f"--set {setting}: a range has two integers, such as 1..3")
        return [part]
    first, last = int(whole[1]), int(whole[2])
    if last < first or last - first >= max(most, MOST_RUNS):
        what = "ends before it begins" if last < first else f"has {last - first + 1:,} values"
        problems.append(f"--set {setting}: the range {part} {what}")
        return [part]
    return [str(number) for number in range(first, last + 1)]


def _split(text: str) -> list[str]:
    """Return a list's parts: commas inside quotes and brackets do not separate."""
    parts, begin, quote, closing = [], 0, "", ""
    for at, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote and text[at - 1] != "\\" else quote
        elif sign in {'"', "'"} and (at == begin or closing or text[begin:at].isspace()):
            quote = sign
        elif sign in _OPEN:
            closing = _OPEN[sign] + closing
        elif closing and sign == closing[0]:
            closing = closing[1:]
        elif sign == "," and not closing:
            parts.append(text[begin:at].strip())
            begin = at + 1
    return [*parts, text[begin:].strip()]
