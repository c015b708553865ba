"""Every option of every verb, those of groups included, has a help text."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
import typer

from flowerbed.cli import main


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield each verb with its words, the verbs of groups included."""
    if path:
        yield " ".join(path), command
    for name in getattr(command, "commands", {}):
        inner = command.get_command(click.Context(command), name)  # type: ignore[attr-defined]
        yield from commands(inner, (*path, name))


FOUND = dict(commands(typer.main.get_command(main.app)))


def test_groups_are_looked_into() -> None:
    """A verb of a group is among them."""
    assert "runs compare" in FOUND


@pytest.mark.parametrize("verb", FOUND)
def test_options_have_help(verb: str) -> None:
    """Each option has a help text, and the verb has one itself."""
    assert FOUND[verb].help
    for option in FOUND[verb].params:
        text = getattr(option, "help", None)
        if isinstance(option, click.Option) or type(option).__name__ == "TyperOption":
            assert text, (verb, option.name)
