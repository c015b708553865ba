"""Where records of runs are kept, keeping them while a run is followed, and the verb `artifacts`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowerbed.cli.common import FileOption, JsonOption, declaration_file, narrate, say, say_json
from flowerbed.errors import FlowerbedError, UsageError

if TYPE_CHECKING:
    from flowerbed.records import Record
    from flowerbed.scripts.flower_app import App
    from flowerbed.scripts.flower_config import Scalar
    from flowerbed.scripts.flower_connection import Connection
    from flowerbed.scripts.flower_source import Source

RecordsOption = Annotated[
    Path | None,
    typer.Option("--records", metavar="DIR", help="Where runs are recorded (default: runs/ beside -f)."),
]


def records_folder(records: Path | None, file: Path | None) -> Path:
    """Return the folder of all records: the one named, else `runs` beside the declaration or here."""
    return records or declaration_file(file).resolve().parent / "runs"


class Keeper:
    """Keeps the record of one run; a record that cannot be kept is a warning, never the run's end.

    `run_id` is that of a run that is there already; else `started` tells it.
    """

    def __init__(self, connection: Connection, root: Path, run_id: str = "") -> None:
        self._connection, self._root = connection, root
        self._began = time.monotonic()
        self._run_id = run_id

    def started(self, run_id: int, app: App, source: Source, overrides: dict[str, Scalar]) -> None:
        """Write what is known when the run's id is."""
        import msgspec

        from flowerbed.records import Submitted, capture
        from flowerbed.scripts.flower_record import submission

        told = submission(app, source, overrides, time.monotonic() - self._began)
        submitted = msgspec.convert(told, Submitted)
        self._run_id = str(run_id)
        try:
            capture(self._connection, self._run_id, self._root, submitted=submitted, with_log=False)
        except FlowerbedError as error:
            narrate(f"warning: no record of the run: {error}")

    def finish(self, *, ask: bool = True) -> None:
        """Complete the record with what the SuperLink knows now; without `ask` only tell where it is."""
        from flowerbed.records import capture, folder_of, load

        if not self._run_id:
            return
        try:
            record = capture(self._connection, self._run_id, self._root) if ask else None
            record = record or load(self._root, self._run_id)
        except FlowerbedError as error:
            narrate(f"warning: the record is not complete: {error}")
            return
        if record:
            rest = "" if record.complete else f" (`flowerbed attach {self._run_id}` completes it)"
            narrate(f"record: {folder_of(self._root, self._run_id)}{rest}")

    def resume(self) -> None:
        """Complete a record that was left incomplete; where none was begun, begin none."""
        from flowerbed.records import load

        try:
            record = load(self._root, self._run_id)
        except FlowerbedError as error:
            narrate(f"warning: {error}")
            return
        if record and not record.complete:
            self.finish()


def artifacts(  # noqa: PLR0913, PLR0917  (one parameter an option)
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")],
    file: FileOption = None,
    connection: Annotated[
        Path | None,
        typer.Option("--connection", metavar="FILE", help="connection.toml of a federation elsewhere."),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="NAME", help="As which declared user (local only).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Also write the files there.")
    ] = None,
    records: RecordsOption = None,
    json: JsonOption = False,
) -> int:
    """List the files that an app gave, and fetch them; 1 if one of them is damaged."""
    from flowerbed.cli.runs import find_connection

    root = records_folder(records, file)
    record = _known(root, run)
    if record is None or not record.complete:
        from flowerbed.records import capture

        record = capture(find_connection(file, connection, user), run, root)
    if output:
        _copy(root, record, output)
    if json:
        say_json(record.artifacts)
    for one in () if json else record.artifacts:
        say(f"{one.name}  {one.problem}" if one.problem else f"{one.name}  {one.size:,} bytes  {one.sha256}")
    if not record.artifacts:
        narrate(f"run {run} gave no files")
    return int(any(one.problem for one in record.artifacts))


def _known(root: Path, run: str) -> Record | None:
    from flowerbed.records import load

    return load(root, run)


def _copy(root: Path, record: Record, output: Path) -> None:
    from flowerbed.files import read_file, write_atomic
    from flowerbed.records import folder_of

    if not output.is_dir():
        raise UsageError("there is no such folder", where=str(output), remedy="make it first")
    for one in record.artifacts:
        kept = read_file(folder_of(root, record.run.run_id) / one.file, 0o600) if one.file else None
        if kept:
            write_atomic(output / one.name, kept.data)
            narrate(f"written: {output / one.name}")
