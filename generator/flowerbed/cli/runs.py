"""The verbs on one run: logs, stop; without --connection they go to the local federation."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowerbed.cli.common import (
    FileOption,
    JsonOption,
    declaration_file,
    narrate,
    say,
    say_json,
    state_folder,
)
from flowerbed.cli.records import Keeper, RecordsOption, records_folder
from flowerbed.errors import LocalError, UnreachableError, UsageError

if TYPE_CHECKING:
    from flowerbed.scripts.flower_connection import Connection

ConnectionOption = Annotated[
    Path | None,
    typer.Option("--connection", metavar="FILE", help="connection.toml of a federation elsewhere."),
]
UserOption = Annotated[
    str | None,
    typer.Option("--user", metavar="NAME", help="As which declared user (local federation only)."),
]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="The run's id, as `submit` and `runs` print it.")
]


def logs(  # noqa: PLR0913, PLR0917  (one parameter an option)
    run: RunArgument,
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    follow: Annotated[bool, typer.Option("--follow", help="Read on until the run ends.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="With the lines that carry the app's files.")] = False,
    records: RecordsOption = None,
) -> int:
    """Print a run's log; with --follow to its end, which then gives the exit code.

    A record of the run that was left incomplete is completed.
    """
    from flowerbed import runs as known
    from flowerbed.scripts.flower_artifacts import shown

    def write(text: str) -> None:
        _write(text if raw else shown(text))

    where = find_connection(file, connection, user)
    keeper = Keeper(where, records_folder(records, file), run_id=run)
    if not follow:
        write(known.read_log(where, run))
        keeper.resume()
        return 0
    from flowerbed.scripts.flower_follow import Following

    outcome = known.follow(where, run, Following(say=narrate, log=write))
    narrate(f"run {run}: {outcome.status}" + (f": {outcome.reason}" if outcome.reason else ""))
    keeper.resume()
    return outcome.exit_code


def stop(
    run: RunArgument,
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    json: JsonOption = False,
) -> None:
    """Stop a run; one that has finished stays as it is, which is no error."""
    from flowerbed import runs as known

    where = find_connection(file, connection, user)
    stopped = known.stop(where, run)
    status = "stopped" if stopped else known.get_run(where, run).outcome
    if json:
        say_json({"run_id": run, "stopped": stopped, "status": status})
    else:
        say(f"run {run} is stopped" if stopped else f"run {run} had finished before: {status}")


def find_connection(
    file: Path | None, connection: Path | None, user: str | None, given: dict[str, object] | None = None
) -> Connection:
    """Return the connection that the options name; flags (`given`, by field) override the file's.

    Raises UsageError, DeclarationError, or UnreachableError where no local federation runs.
    """
    from flowerbed.runs import translated

    with translated():
        return connection_reader(file, connection, user, given)()


def connection_reader(
    file: Path | None, connection: Path | None, user: str | None, given: dict[str, object] | None = None
) -> Callable[[], Connection]:
    """Return what reads the connection that the options name, as often as it is called; that raises Invalid.

    Raises UsageError, DeclarationError, or UnreachableError where no local federation runs.
    """
    from flowerbed.scripts.flower_connection import Connection

    flags = given or {}
    if connection and user:
        raise UsageError("--user is for the local federation; a connection file has its own certificate")
    if not connection and "address" in flags:
        return lambda: Connection(**flags)  # type: ignore[arg-type]
    source = connection or _local_connection(file, user)
    return lambda: replace(Connection.load(source), **flags)  # type: ignore[arg-type]


def _local_connection(file: Path | None, user: str | None) -> Path:
    """Return the connection file of the declared federation that runs on this machine."""
    from flowerbed import local
    from flowerbed.declaration import load_plan

    declaration = declaration_file(file)
    state = state_folder(declaration, load_plan(declaration).name)
    try:
        return local.connection_file(state, user)
    except LocalError as error:
        remedy = f"{error.remedy}; --connection FILE goes elsewhere"
        raise UnreachableError(error.what, where=error.where, remedy=remedy) from None


def _write(text: str) -> None:
    from flowerbed.scripts.flower_run import colourless

    sys.stdout.write(text if sys.stdout.isatty() else colourless(text))
    sys.stdout.flush()
