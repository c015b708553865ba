"""The run config: what a user sets, checked against the app's own defaults before anything is sent.

Flower itself checks only that a key exists; a value of the wrong type would fail in the middle of a run.
"""

from __future__ import annotations

import difflib
import re
import shlex
import tomllib
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..text_files import read_toml

Scalar = bool | int | float | str
KINDS = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}
Given = dict[str, tuple[str, Scalar]]  # by key: where it was said, and what
# A pair of what `flwr run --run-config "A=1 B=2"` takes (flwr 1.41: common/config.py).
_PAIR = re.compile(r"""(?<!\S)([^\s=]+)=('[^']*'|"[^"]*"|\S+)""")


def flatten(table: dict[str, Any], prefix: str = "") -> tuple[dict[str, Scalar], list[str]]:
    """Return nested tables as one with dotted keys, as Flower does, and the keys that cannot be sent."""
    values: dict[str, Scalar] = {}
    wrong: list[str] = []
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict):
            inner, inner_wrong = flatten(value, f"{key}.")
            values |= inner
            wrong += inner_wrong
        elif type(value) in KINDS:
            values[key] = value
        else:
            wrong.append(key)
    return values, wrong


def overrides(
    defaults: dict[str, Scalar],
    file: Path | None,
    settings: Iterable[str],
    read: Mapping[str, Scalar | None] | None = None,
) -> dict[str, Scalar]:
    """Return what `--config FILE` and then each `--set KEY=VALUE` change in an app's config.

    `read` are keys that its code reads and does not declare, with what it takes without them, if known.
    Raises UsageError with all unknown keys and all values of another type than the default's.
    """
    # What is known of a key: its value without the setting, None where there is none.
    known = {**(read or {}), **defaults}
    given, problems = _file(file) if file else ({}, [])
    said, wrong = settings_of(settings, known)
    given, problems = given | said, problems + wrong
    result = {key: _fit(value, known.get(key)) for key, (_, value) in given.items()}
    problems += [problem for key in given for problem in _problems(key, *given[key], known)]
    if problems:
        raise UsageError("\n".join(problems))
    return result


def _file(file: Path) -> tuple[Given, list[str]]:
    values, wrong = flatten(read_toml(file))
    problems = [f"{file}: {key} must be true, false, a number or a string" for key in wrong]
    return {key: (str(file), value) for key, value in values.items()}, problems


def settings_of(
    settings: Iterable[str], defaults: Mapping[str, Scalar | None] | None
) -> tuple[Given, list[str]]:
    """Return what each `--set KEY=VALUE` sets, and what is wrong with them.

    An inline table, `model={depth=4}`, is flattened as Flower does. `defaults` is None for an app without.
    """
    given: Given = {}
    problems: list[str] = []
    for setting in settings:
        key, equals, text = (part.strip() for part in setting.partition("="))
        if not key or not equals:
            file = setting.strip().endswith(".toml")
            problems.append(f"--set {setting}: write " + (f"--config {setting}" if file else "KEY=VALUE"))
        elif key not in (defaults or {}) and (table := _table(text)) is not None:
            values, wrong = flatten(table, f"{key}.")
            problems += [
                f"--set {setting}: {name} must be true, false, a number or a string" for name in wrong
            ]
            given |= {name: (f"--set {setting}", value) for name, value in values.items()}
        elif several := _several(setting, (defaults or {}).get(key), defaults):
            problems.append(f"--set {setting}: one pair at a time; write {several}")
        else:
            given[key] = (f"--set {setting}", parse(text, (defaults or {}).get(key)))
    return given, problems


def _several(setting: str, default: Scalar | None, known: Container[str] | None) -> str:
    """Return `--run-config "A=1 B=2"` as one `--set` for each pair; "" where it is one pair.

    A default that is a string takes any text, unless all of it are pairs of known keys.
    """
    pairs = list(_PAIR.finditer(setting))
    if len(pairs) < 2 or _PAIR.sub("", setting).strip():
        return ""
    if isinstance(default, str) and not all(pair[1] in (known or ()) for pair in pairs):
        return ""
    return " ".join(f"--set {shlex.quote(pair[0])}" for pair in pairs)


def _table(text: str) -> dict[str, Any] | None:
    """Return an inline table of TOML, None for anything else."""
    try:
        read = tomllib.loads(f"value = {text}") if text.startswith("{") else {}
    except (ValueError, RecursionError):
        return None
    return read["value"] if set(read) == {"value"} and isinstance(read["value"], dict) else None


def parse(text: str, default: Scalar | None) -> Scalar:
    """Read the VALUE of a setting: a TOML scalar; what is not TOML is a string.

    Where the default is a string, so is the value: `--set tag=3` means "3"; quotes are read as TOML's.
    """
    try:
        read = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # ValueError: also thousands of digits
        return text
    value = read["value"]
    quoted = text[:1] in {'"', "'"}
    if set(read) != {"value"} or type(value) not in KINDS or ("#" in text and not quoted):
        return text
    return text if isinstance(default, str) and not quoted else value


def _fit(value: Scalar, default: Scalar | None) -> Scalar:
    """Return the value as the default's type where that loses nothing: 1 may be given for 1.0."""
    return float(value) if type(value) is int and type(default) is float else value


def _problems(key: str, where: str, value: Scalar, defaults: Mapping[str, Scalar | None]) -> Iterator[str]:
    if key not in defaults:
        near = difflib.get_close_matches(key, defaults, 1)
        known = f"known are: {', '.join(sorted(defaults)) or 'none'}"
        yield f"{where}: the app has no config key {key!r}; " + (
            f"did you mean {near[0]!r}?" if near else known
        )
    elif (default := defaults[key]) is not None and type(_fit(value, default)) is not type(default):
        kind = KINDS[type(default)]
        yield f"{where}: {key} must be {kind} (its default is {default!r}), not {value!r}"
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield f"{where}: {key} must fit in 64 bits"
