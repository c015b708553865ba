"""Groups of verbs whose positional arguments show their help, whichever click is installed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import click
import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.models import ArgumentInfo, CommandFunctionType


class Verb(TyperCommand):
    """A verb that reads the help of its arguments from its function.

    Arguments have a help of their own from click 8.4 on, and typer before 0.21 leaves it empty there.
    """

    def format_help(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the help, that of the arguments included."""
        function = inspect.unwrap(self.callback) if self.callback else None
        hints = get_type_hints(function, include_extras=True) if function else {}
        for parameter in self.params:
            if isinstance(parameter, TyperArgument):
                parameter.help = parameter.help or _help_of(hints.get(str(parameter.name)))
        super().format_help(context, formatter)


def _help_of(annotation: object) -> str | None:
    """Return the help in `Annotated[..., typer.Argument(help=...)]`."""
    infos = (one for one in getattr(annotation, "__metadata__", ()) if isinstance(one, ArgumentInfo))
    return next((info.help for info in infos), None)


class VerbGroup(TyperGroup):
    """A group whose error about an unknown verb suggests another one once."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:  # noqa: ANN401  (those of typer)
        super().__init__(*arguments, **settings)
        # click suggests by itself from 8.4 on, and typer 0.20 adds the same.
        self.suggest_commands = not hasattr(click.exceptions, "NoSuchCommand")


CLASS = "__click_class__"


def of(kind: type[Verb]) -> Callable[[CommandFunctionType], CommandFunctionType]:
    """Return the decorator that makes a function a verb of a class of its own."""

    def mark(function: CommandFunctionType) -> CommandFunctionType:
        setattr(function, CLASS, kind)
        return function

    return mark


class Verbs(typer.Typer):
    """A group of verbs."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  (those of typer)
        super().__init__(**{"cls": VerbGroup, **settings})

    def command(
        self,
        name: str | None = None,
        **settings: Any,  # noqa: ANN401  (those of typer)
    ) -> Callable[[CommandFunctionType], CommandFunctionType]:
        """Return the decorator that makes a function a verb; groups of flags become its options."""
        from flowerbed.cli.flags import flat  # the help of all verbs needs none

        decorate = super().command(name, **{"cls": Verb, **settings})

        def verb(function: CommandFunctionType) -> CommandFunctionType:
            decorate(flat(function))
            return function

        return verb
