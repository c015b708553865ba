"""The verb `artifacts`: the files that an app gave, from the run's record."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from flowerbed.cli.common import FileOption, JsonOption, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.cli.records import RecordsOption, records_folder
from flowerbed.cli.runs import ConnectionOption, RunArgument, UserOption, find_connection, run_id_of
from flowerbed.errors import UsageError
from flowerbed.files import make_private_folder, read_file, write_atomic
from flowerbed.flower.text import printable
from flowerbed.runs.records.capturing import capture
from flowerbed.runs.records.model import Record
from flowerbed.runs.records.store import folder_of, load


def artifacts_command(
    run: RunArgument,
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Also write the files to this directory."),
    ] = None,
    records: RecordsOption = None,
    json: JsonOption = False,
) -> int:
    """List the files of a run, and download them; exit code 1 if one is damaged or has an invalid name."""
    root = records_folder(records, file)
    run = run_id_of(run, root, file, connection, user)
    record = load(root, run)
    if record is None or not record.complete:
        record = capture(find_connection(file, connection, user), run, root)
    if output:
        _copy(root, record, output)
    if json:
        say_json(record.artifacts)
    for one in () if json else record.artifacts:
        what = one.problem or f"{one.size:,} bytes  {one.sha256}"
        say(f"{printable(one.name)}  {what}")
    if not record.artifacts:
        narrate(f"run {run} gave no files")
    # One with a size was left out as the app's own line says: too large for the log, say.
    return int(any(one.problem and not one.size for one in record.artifacts))


def _copy(root: Path, record: Record, output: Path) -> None:
    if not output.is_dir():
        raise UsageError("there is no such directory", where=str(output), remedy="make it first")
    for one in record.artifacts:
        kept = read_file(folder_of(root, record.run.run_id) / one.file, 0o600) if one.file else None
        if kept and hashlib.sha256(kept.data).hexdigest() != one.sha256:
            # A link in the record's directory may lead to any file of ours.
            narrate(f"warning: {one.name}: its SHA-256 is not the recorded one; it is left out")
        elif kept:
            if "/" in one.name:
                make_private_folder((output / one.name).parent)
            write_atomic(output / one.name, kept.data)
            narrate(f"written: {output / one.name}")
