"""The verbs on one run: logs, stop; without --connection they go to the local federation."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowerbed.cli.common import (
    DEFAULT_FILE,
    FileOption,
    JsonOption,
    declaration_file,
    narrate,
    say,
)
from flowerbed.cli.json_results import say_json
from flowerbed.cli.records import Keeper, RecordsOption, records_folder
from flowerbed.errors import LocalError, UnreachableError, UsageError
from flowerbed.project import Project

if TYPE_CHECKING:
    from flowerbed.flower.connection import Connection
    from flowerbed.flower.runs import Outcome

ConnectionOption = Annotated[
    Path | None,
    typer.Option("--connection", metavar="FILE", help="The connection.toml of a federation elsewhere."),
]
COMPLETIONS = 50  # that a shell is given for a RUN
UserOption = Annotated[
    str | None,
    typer.Option("--user", metavar="NAME", help="As which declared user (local federation only)."),
]


def _recorded(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the RUN arguments that begin so, from the records alone: a shell waits for them."""
    from flowerbed.records.selecting import candidates

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


def logs(
    run: RunArgument,
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    follow: Annotated[bool, typer.Option("--follow", help="Read on until the run ends.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="With the lines that carry the app's files.")] = False,
    records: RecordsOption = None,
) -> int:
    """Print a run's log; with --follow to its end, which then gives the exit code.

    A run with a complete record needs no SuperLink; a record that was left incomplete is completed.
    """
    from flowerbed import runs as known
    from flowerbed.flower.artifacts import shown
    from flowerbed.flower.text import write
    from flowerbed.records import ended, outcome_of

    def show(text: str) -> None:
        write(sys.stdout, text if raw else shown(text))

    root = records_folder(records, file)
    run = run_id_of(run, root, file, connection, user)
    if kept := ended(root, run):
        show(kept[1])
        return _concluded(outcome_of(*kept)) if follow else 0
    where = find_connection(file, connection, user)
    keeper = Keeper(where, root, run_id=run)
    if not follow:
        show(known.read_log(where, run))
        keeper.resume()
        return 0
    from flowerbed.flower.follow import FollowOptions

    outcome = known.follow(where, run, FollowOptions(say=narrate, log=show))
    code = _concluded(outcome)
    keeper.resume()
    return code


def _concluded(outcome: Outcome) -> int:
    from flowerbed.flower.text import hanging

    reason = f": {hanging(outcome.reason)}" if outcome.reason else ""
    narrate(f"run {outcome.run_id}: {outcome.status}{reason}")
    return outcome.exit_code


def stop(
    run: RunArgument,
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    records: RecordsOption = None,
    json: JsonOption = False,
) -> None:
    """Stop a run; one that has finished stays as it is, which is no error."""
    from flowerbed import runs as known
    from flowerbed.records import ended

    root = records_folder(records, file)
    run = run_id_of(run, root, file, connection, user, everywhere=True)
    if kept := ended(root, run):
        stopped, status = False, kept[0].run.outcome
    else:
        where = find_connection(file, connection, user)
        stopped = known.stop(where, run)
        status = "stopped" if stopped else known.get_run(where, run).outcome
    if json:
        say_json({"run_id": run, "stopped": stopped, "status": status})
    else:
        say(f"run {run} is stopped" if stopped else f"run {run} had finished before: {status}")


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
    from flowerbed.records.selecting import run_of

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
    from flowerbed.flower.connection import Connection

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
    state = Project(declaration).state(load_plan(declaration).name)
    try:
        return local.connection_file(state, user)
    except LocalError as error:
        remedy = f"{error.remedy}; --connection FILE goes elsewhere"
        raise UnreachableError(error.what, where=error.where, remedy=remedy) from None
