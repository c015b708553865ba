"""docs/reference/command-line.md: every verb of `flowerbed`, with its arguments and options."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import click
import typer

from flowerbed.cli import main
from marked import table


def verbs() -> str:
    """Return the verbs in the order of `flowerbed --help`, each with its help, arguments and options."""
    program = typer.main.get_command(main.app)
    found = list(_commands(program, ("flowerbed",)))
    listed = table(["verb", "what it does"], ([_link(path), _first(command)] for path, command in found))
    return "\n\n".join([listed, *(_section(path, command) for path, command in found)])


def _commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    """Yield each verb that can be run, with its words, the verbs of groups included."""
    for name in getattr(command, "commands", {}):
        inner = command.get_command(click.Context(command), name)  # type: ignore[attr-defined]
        nested = bool(getattr(inner, "commands", {}))
        if not nested or inner.invoke_without_command:
            yield " ".join((*path, name)), inner
        if nested:
            yield from _commands(inner, (*path, name))


def _link(path: str) -> str:
    return f"[`{path}`](#{path.replace(' ', '-')})"


def _first(command: click.Command) -> str:
    return _plain((command.help or "").partition("\n\n")[0])


def _section(path: str, command: click.Command) -> str:
    with contextlib.redirect_stdout(io.StringIO()):
        command.get_help(click.Context(command))  # Verb reads the help of its arguments then, and rich prints
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    words = [_argument(one) for one in shown if isinstance(one, click.Argument)]
    usage = " ".join([path, *words, *(["[OPTIONS]"] if len(words) < len(shown) else [])])
    parts = [f"### {path}", f"```\n{usage}\n```", (command.help or "").replace("\b\n", "")]
    if rows := [[_name(one), _plain(_help(one))] for one in shown]:
        parts.append(table(["argument or option", "meaning"], rows))
    return "\n\n".join(parts)


def _argument(argument: click.Argument) -> str:
    word = argument.metavar or (argument.name or "").upper()
    word = word if argument.required or word.startswith("[") else f"[{word}]"
    return f"{word}..." if argument.nargs == -1 and not word.endswith("...") else word


def _name(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return f"`{_argument(parameter)}`"
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    takes = not getattr(parameter, "is_flag", False)
    metavar = parameter.metavar or parameter.type.name.upper()
    return f"{names} `{metavar}`" if takes else names


def _help(parameter: click.Parameter) -> str:
    text, again = getattr(parameter, "help", None) or "", getattr(parameter, "multiple", False)
    return f"{text} Repeatable.".strip() if again and "epeat" not in text else text


def _plain(text: str) -> str:
    return " ".join(text.split())
