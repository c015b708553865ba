"""A sweep: its grid of values, and where it is, in a file beside the records: the same command resumes it.

The grid is `--set KEY=VALUES` read as lists of values, and every combination of them:

lr=0.01,0.1     two values; a comma inside quotes or brackets belongs to a value
seed=1..3       1, 2 and 3
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from flowerbed import documents
from flowerbed.errors import UsageError
from flowerbed.files import PRIVATE_MODE, make_private_folder, read_file, write_atomic
from flowerbed.flower.app.run_config import Scalar, overrides, settings_of
from flowerbed.flower.runs import Outcome

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


VERSION = 1


class Point(msgspec.Struct, kw_only=True):
    """A run of a sweep: `run_id` is "" before it is started, `exit_code` None before it has ended.

    `attempt` counts how often a run was given up for another one: it was stopped on Ctrl-C, went with its
    federation, or did not complete.
    """

    name: str
    settings: tuple[str, ...]
    attempt: int = 0
    run_id: str = ""
    status: str = ""
    reason: str = ""
    exit_code: int | None = None

    def end(self, outcome: Outcome) -> None:
        """Keep how it ended."""
        self.status, self.reason, self.exit_code = outcome.status, outcome.reason, outcome.exit_code

    def again(self) -> None:
        """Forget a run, so that another one is started."""
        self.attempt, self.exit_code = self.attempt + 1, None
        self.run_id = self.status = self.reason = ""


class Sweep(msgspec.Struct, kw_only=True):
    """A sweep: `token` tells it from every other one, `fingerprint` is that of the app and all settings."""

    version: int = VERSION
    name: str
    token: str
    fingerprint: str
    points: list[Point]

    def key(self, point: Point) -> str:
        """Return the key that makes the submission of a run idempotent."""
        return f"sweep {self.token} {point.name} {point.attempt}"

    @property
    def exit_code(self) -> int:
        """Return 0 if all runs completed, else the highest exit code of a run."""
        return max((point.exit_code or 0 for point in self.points), default=0)


def file_of(root: Path, name: str) -> Path:
    """Return the file that holds a sweep's state."""
    return root / f"sweep-{name.replace('/', '_')}.json"


def fingerprint(fab_hash: str, config: Path | None, points: Sequence[tuple[str, ...]]) -> str:
    """Return a hash of what is run: the app, the file with run config, and each run's settings."""
    text = config.read_text(encoding="utf-8-sig") if config else ""
    told = json.dumps([fab_hash, text, points], separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()


def opened(
    root: Path, name: str, print_of_it: str, settings: Sequence[tuple[str, ...]], *, restart: bool = False
) -> tuple[Sweep, bool]:
    """Return the sweep of a name, and whether it was there before; `restart` begins it anew.

    Raises UsageError if another app or other settings were swept under this name.
    """
    file = file_of(root, name)
    found = None if restart else read_file(file, PRIVATE_MODE)
    if found is None:
        width = len(str(len(settings)))
        points = [
            Point(name=f"{name}-{at:0{width}}", settings=each) for at, each in enumerate(settings, start=1)
        ]
        made = Sweep(name=name, token=secrets.token_hex(8), fingerprint=print_of_it, points=points)
        return made, False
    try:
        sweep = documents.decode(found.data, Sweep)
    except ValueError as error:
        raise UsageError(f"this is not the state of a sweep: {error}", where=str(file)) from None
    if sweep.fingerprint != print_of_it:
        raise UsageError(
            f"the sweep {name} was begun with another app, --config or --set",
            where=str(file),
            remedy="--name NAME starts another sweep, --restart starts this one again",
        )
    return sweep, True


@contextmanager
def claimed(root: Path, name: str) -> Iterator[None]:
    """Hold a sweep for this process, as long as it lives. Raises UsageError if another process holds it."""
    make_private_folder(root)
    file = file_of(root, name)
    lock = file.with_name(f".{file.name}.lock")
    with os.fdopen(
        os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_MODE)
    ) as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"another process runs the sweep {name}",
                where=str(file),
                remedy="wait for its end, or give this one another --name",
            ) from None
        yield


def saver(root: Path, sweep: Sweep) -> Callable[[], None]:
    """Return what writes a sweep's state, whole or not at all."""

    def save() -> None:
        make_private_folder(root)
        write_atomic(file_of(root, sweep.name), documents.encode(sweep), PRIVATE_MODE)

    return save
