"""Groups of flags as options of a verb, and the groups that several verbs share.

A verb that takes a group (see `flower/flags.py`) has an option for each of its fields; PANEL is the heading
over them in the help, if they have one of their own.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from flowerbed.flower.flags import Flag, flag, flags_of, switch, taken
from flowerbed.flower.options import ConnectionFlags


@dataclass(frozen=True, kw_only=True)
class FederationFlags:
    """Which federation, by its declaration or by a connection file, and as whom."""

    file: Path | None = flag(
        "PATH",
        "path of the declaration (default: federation.yaml in this directory)",
        words=("-f", "--file"),
        kind=Path,
    )
    connection: Path | None = flag(
        "FILE", "path of the connection.toml of a federation that runs elsewhere", kind=Path
    )
    user: str | None = flag("NAME", "connect as this declared user (local federation only)")


@dataclass(frozen=True, kw_only=True)
class WhereFlags(ConnectionFlags, FederationFlags):
    """The same, or a SuperLink by its address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFlags:
    """A federation on this machine for one command."""

    local: bool = switch("run it on this machine, without a declared federation")
    nodes: int = flag("N", "with --local: number of SuperNodes, at most 64", kind=int, default=2)
    packages: tuple[str, ...] = flag(
        "WHAT",
        "with --local: a requirements.txt or a package that the app needs; repeatable",
        words=("--with",),
        repeatable=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFlags:
    """Where runs are recorded, and how they are shown."""

    records: Path | None = flag("DIR", "where runs are recorded (default: runs/ beside -f)", kind=Path)
    plain: bool = switch("print plain lines instead of the table of rounds")


def flat(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a verb whose parameters that are groups of flags are one parameter a flag, for typer."""
    hints = get_type_hints(function, include_extras=True)
    groups = {name: kind for name, kind in hints.items() if dataclasses.is_dataclass(kind)}
    if not groups:
        return function

    @functools.wraps(function)
    def verb(**values: Any) -> Any:  # noqa: ANN401  (what a verb gives)
        for name, kind in groups.items():
            group = taken(kind, values)  # type: ignore[arg-type]
            for one in flags_of(kind):  # type: ignore[arg-type]
                del values[one.field]
            values[name] = group
        return function(**values)

    parameters = [
        parameter
        for one in inspect.signature(function).parameters.values()
        for parameter in _parameters(one.replace(annotation=hints[one.name]), groups)
    ]
    verb.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    verb.__annotations__ = {one.name: one.annotation for one in parameters}
    return verb


def _parameters(one: inspect.Parameter, groups: dict[str, Any]) -> Iterator[inspect.Parameter]:
    if one.name in groups:
        panel = getattr(groups[one.name], "PANEL", None)
        yield from (_parameter(each, panel) for each in flags_of(groups[one.name]))
    else:
        yield one.replace(kind=inspect.Parameter.KEYWORD_ONLY)


def _parameter(one: Flag, panel: str | None) -> inspect.Parameter:
    kind: Any = Literal[one.choices] if one.choices else one.kind
    if one.repeatable:
        kind = list[kind] | None
    elif one.default is None:
        kind = kind | None
    text = f"{one.text[0].upper()}{one.text[1:]}."
    option = typer.Option(
        *one.words, metavar=one.metavar or None, help=text, min=one.least, rich_help_panel=panel
    )
    default = None if one.repeatable else one.default
    annotation = Annotated[kind, option]
    return inspect.Parameter(
        one.field, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )
