"""Flags as fields of dataclasses: one table for `submit.py`, by argparse, and for `flowerbed`, by typer.

A group of flags is a frozen dataclass whose fields are made by `flag` and `switch`. Its texts begin in lower
case and end without a full stop, as argparse's do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import argparse

Group = TypeVar("Group")
_KEY = "flag"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A flag: `field` is the name of its value, `metavar` what stands for that in a help text.

    A switch has neither that nor choices. `words` are how it is written, a short one first if there is one.
    `kind` makes the value of a text. A `repeatable` one gives a tuple. `choices` are all texts that it takes;
    `least` is the smallest number, which `flowerbed` alone holds to.
    """

    field: str
    words: tuple[str, ...]
    metavar: str
    text: str
    kind: Callable[[str], Any]
    default: Any
    repeatable: bool
    choices: tuple[str, ...]
    least: int | None

    @property
    def is_switch(self) -> bool:
        """Return whether it takes no value."""
        return not self.metavar and not self.choices


def flag(
    metavar: str,
    text: str,
    *,
    words: tuple[str, ...] = (),
    kind: Callable[[str], Any] = str,
    default: Any = None,  # noqa: ANN401  (of any kind)
    repeatable: bool = False,
    choices: tuple[str, ...] = (),
    least: int | None = None,
) -> Any:  # noqa: ANN401  (the field's own type)
    """Return a field for a flag with a value; `words` are how it is written, if not as the field."""
    facts = {"words": words, "metavar": metavar, "text": text, "kind": kind}
    more = {"repeatable": repeatable, "choices": choices, "least": least}
    return dataclasses.field(default=() if repeatable else default, metadata={_KEY: {**facts, **more}})


def switch(text: str) -> Any:  # noqa: ANN401  (the field's own type)
    """Return a field for a flag without a value, which is true when it is given."""
    made: Any = flag("", text, kind=bool, default=False)
    return made


def shared(group: type, name: str) -> Any:  # noqa: ANN401  (the field's own type)
    """Return a field for a flag that another group has under the same name."""
    (found,) = (one for one in dataclasses.fields(group) if one.name == name)
    made: Any = dataclasses.field(default=found.default, metadata=found.metadata)
    return made


def flags_of(group: type) -> Iterator[Flag]:
    """Yield the flags of a group, in their order."""
    for one in dataclasses.fields(group):
        facts = dict(one.metadata[_KEY])
        facts["words"] = facts["words"] or (f"--{one.name.replace('_', '-')}",)
        yield Flag(field=one.name, default=one.default, **facts)


def add_flags(parser: argparse.ArgumentParser, group: type, prefix: str = "") -> None:
    """Let a parser know the flags of a group; their help begins with `prefix`."""
    for one in flags_of(group):
        settings: dict[str, Any] = {"dest": one.field, "help": f"{prefix}{one.text}".replace("%", "%%")}
        if one.is_switch:
            parser.add_argument(*one.words, action="store_true", **settings)
            continue
        settings |= {"type": one.kind, "metavar": one.metavar or None, "choices": one.choices or None}
        if one.repeatable:
            parser.add_argument(*one.words, action="append", **settings)
        else:
            parser.add_argument(*one.words, default=one.default, **settings)


def taken(group: type[Group], values: Mapping[str, Any]) -> Group:
    """Return a group with its values, found by the fields' names among others."""
    given = {}
    for one in flags_of(group):
        value = values[one.field]
        given[one.field] = tuple(value or ()) if one.repeatable else value
    return group(**given)
