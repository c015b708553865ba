"""Which run a verb is about, and where that is; without --connection it is the local federation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from flowerbed import declaration, local
from flowerbed.cli.common import DEFAULT_FILE, declaration_file, narrate
from flowerbed.cli.records import records_folder
from flowerbed.errors import LocalError, UnreachableError, UsageError
from flowerbed.flower.connection import Connection

ConnectionOption = Annotated[
    Path | None,
    typer.Option(
        "--connection",
        metavar="FILE",
        help="Path of the connection.toml of a federation that runs elsewhere.",
    ),
]
COMPLETIONS = 50  # that a shell is given for a RUN
UserOption = Annotated[
    str | None,
    typer.Option("--user", metavar="NAME", help="Connect as this declared user (local federation only)."),
]


def _recorded(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the RUN arguments that begin so, from the records alone: a shell waits for them."""
    from flowerbed.runs.records.selecting import candidates

    given = context.params
    found = candidates(records_folder(given.get("records"), given.get("file")))
    words = [("latest", str(found[0]))] if found else []
    words += [(one.name, str(one)) for one in found if one.name]
    words += [(one.run_id, str(one)) for one in found]
    return [(word, text) for word, text in words if word.startswith(incomplete)][:COMPLETIONS]


RUN_HELP = "The run's id as `submit` and `runs` print it, its beginning, its name, latest or latest~2."
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP, autocompletion=_recorded)]
OptionalRuns = Annotated[
    list[str] | None, typer.Argument(metavar="[RUN...]", help=RUN_HELP, autocompletion=_recorded)
]


def run_id_of(
    run: str,
    root: Path,
    file: Path | None,
    connection: Path | None,
    user: str | None,
    *,
    everywhere: bool = False,
) -> str:
    """Return the id of the run that a RUN argument means, and narrate it where it is not the id itself.

    Raises UsageError, and where the SuperLink has to be asked what `find_connection` does.
    """
    from flowerbed.runs.records.selecting import run_of

    found = run_of(run, root, connector(file, connection, user), everywhere=everywhere)
    if found != run:
        narrate(f"run {found} ({run})")
    return found


def connector(
    file: Path | None, connection: Path | None, user: str | None
) -> Callable[[], Connection] | None:
    """Return what finds the connection that the options name; None where nothing declares a federation."""
    if not (file or connection or DEFAULT_FILE.exists()):
        return None
    return lambda: find_connection(file, connection, user)


def find_connection(
    file: Path | None, connection: Path | None, user: str | None, given: dict[str, object] | None = None
) -> Connection:
    """Return the connection that the options name; flags (`given`, by field) override the file's.

    Raises UsageError, DeclarationError, or UnreachableError where no local federation runs.
    """
    return connection_reader(file, connection, user, given)()


def connection_reader(
    file: Path | None, connection: Path | None, user: str | None, given: dict[str, object] | None = None
) -> Callable[[], Connection]:
    """Return what reads the connection that the options name, each time it is called.

    Raises UsageError, DeclarationError, or UnreachableError where no local federation runs.
    """
    flags = given or {}
    if connection and user:
        raise UsageError("--user is for the local federation; a connection file has its own certificate")
    if not connection and "address" in flags:
        return lambda: Connection(**flags)  # type: ignore[arg-type]
    source = connection or _local_connection(file, user)
    return lambda: replace(Connection.load(source), **flags)  # type: ignore[arg-type]


def _local_connection(file: Path | None, user: str | None) -> Path:
    """Return the connection file of the declared federation that runs on this machine."""
    path = declaration_file(file)
    directory = local.StateDirectory.of(path, declaration.load_plan(path).name)
    try:
        return directory.connection_file(user)
    except LocalError as error:
        remedy = f"{error.remedy}; --connection FILE goes elsewhere"
        raise UnreachableError(error.what, where=error.where, remedy=remedy) from None
