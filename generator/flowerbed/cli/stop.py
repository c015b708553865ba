"""`flowerbed stop`: end a run that somebody started."""

from __future__ import annotations

from flowerbed import runs
from flowerbed.cli.common import FileOption, JsonOption, say
from flowerbed.cli.json_results import say_json
from flowerbed.cli.records import RecordsOption, records_folder
from flowerbed.cli.runs import ConnectionOption, RunArgument, UserOption, find_connection, run_id_of
from flowerbed.runs.records.reporting import ended


def stop_command(
    run: RunArgument,
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    records: RecordsOption = None,
    json: JsonOption = False,
) -> None:
    """Stop a run; stopping a run that has already finished is not an error."""
    root = records_folder(records, file)
    run = run_id_of(run, root, file, connection, user, everywhere=True)
    if kept := ended(root, run):
        stopped, status = False, kept[0].run.outcome
    else:
        where = find_connection(file, connection, user)
        stopped = runs.stop(where, run)
        status = "stopped" if stopped else runs.get_run(where, run).outcome
    if json:
        say_json({"run_id": run, "stopped": stopped, "status": status})
    else:
        say(f"run {run} is stopped" if stopped else f"run {run} had finished before: {status}")
