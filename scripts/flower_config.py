"""The run config: what a user sets, checked against the app's own defaults before anything is sent.

Flower itself checks only that a key exists; a value of the wrong type would fail in the middle of a run.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from .flower_connection import Invalid, read_toml
else:  # lying beside the program that runs
    from flower_connection import Invalid, read_toml

Scalar = bool | int | float | str
KINDS = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}


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


def overrides(defaults: dict[str, Scalar], file: Path | None, settings: Iterable[str]) -> dict[str, Scalar]:
    """Return what `--config FILE` and then each `--set KEY=VALUE` change in an app's config.

    Raises Invalid with all unknown keys and all values of another type than the default's.
    """
    problems: list[str] = []
    given: dict[str, tuple[str, Scalar]] = {}  # by key: where it was said, and what
    if file:
        values, wrong = flatten(read_toml(file))
        problems += [f"{file}: {key} must be true, false, a number or a string" for key in wrong]
        given |= {key: (str(file), value) for key, value in values.items()}
    for setting in settings:
        key, equals, text = setting.partition("=")
        key = key.strip()
        if not key or not equals:
            problems.append(f"--set {setting}: write KEY=VALUE")
        else:
            given[key] = (f"--set {setting}", parse(text.strip(), defaults.get(key)))
    result = {key: _fit(value, defaults.get(key)) for key, (_, value) in given.items()}
    problems += [problem for key in given for problem in _problems(key, *given[key], defaults)]
    if problems:
        raise Invalid("\n".join(problems))
    return result


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


def _problems(key: str, where: str, value: Scalar, defaults: dict[str, Scalar]) -> Iterator[str]:
    if key not in defaults:
        near = difflib.get_close_matches(key, defaults, 1)
        known = f"known are: {', '.join(sorted(defaults)) or 'none'}"
        yield f"{where}: the app has no config key {key!r}; " + (
            f"did you mean {near[0]!r}?" if near else known
        )
    elif type(_fit(value, defaults[key])) is not type(defaults[key]):
        kind = KINDS[type(defaults[key])]
        yield f"{where}: {key} must be {kind} (its default is {defaults[key]!r}), not {value!r}"
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield f"{where}: {key} must fit in 64 bits"
