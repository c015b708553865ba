"""`flowerbed logs`: a run's log, from its record or from the SuperLink."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from flowerbed import runs
from flowerbed.cli.common import FileOption, narrate
from flowerbed.cli.records import Keeper, RecordsOption, records_folder
from flowerbed.cli.runs import ConnectionOption, RunArgument, UserOption, find_connection, run_id_of
from flowerbed.flower.artifacts import shown
from flowerbed.flower.options import FollowOptions
from flowerbed.flower.runs import Outcome
from flowerbed.flower.text import hanging, write
from flowerbed.runs.records.reporting import ended, outcome_of


def logs_command(
    run: RunArgument,
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    follow: Annotated[bool, typer.Option("--follow", help="Follow the log until the run ends.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Include the lines that contain the app's files.")
    ] = False,
    records: RecordsOption = None,
) -> int:
    """Print a run's log; with --follow until the run ends, whose outcome is the exit code.

    A run with a complete record needs no SuperLink; an incomplete record is completed.
    """

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
        show(runs.read_log(where, run))
        keeper.resume()
        return 0

    outcome = runs.follow(where, run, FollowOptions(say=narrate, log=show))
    code = _concluded(outcome)
    keeper.resume()
    return code


def _concluded(outcome: Outcome) -> int:
    reason = f": {hanging(outcome.reason)}" if outcome.reason else ""
    narrate(f"run {outcome.run_id}: {outcome.status}{reason}")
    return outcome.exit_code
