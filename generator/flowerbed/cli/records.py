"""Where records of runs are kept, and keeping them while a run is followed.

What writes and reads records is loaded when it is needed: `submit` prints the run's id first.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowerbed.cli.common import declaration_file, narrate
from flowerbed.errors import FlowerbedError
from flowerbed.flower.connection import Connection
from flowerbed.flower.labels import Labels
from flowerbed.flower.text import printable
from flowerbed.project import Project

if TYPE_CHECKING:
    from flowerbed.flower.app.app import App
    from flowerbed.flower.app.run_config import Scalar
    from flowerbed.flower.source.request import Source

NAMED = 5  # files of a run that are told by name
RecordsOption = Annotated[
    Path | None,
    typer.Option("--records", metavar="DIR", help="Where runs are recorded (default: runs/ beside -f)."),
]


def records_folder(directory: Path | None, file: Path | None) -> Path:
    """Return the folder of all records: the one named, else `runs` beside the declaration or here."""
    return directory or Project(declaration_file(file)).records


class Keeper:
    """Keeps the record of one run; a record that cannot be kept is a warning, never the run's end.

    `run_id` is that of a run that is there already; else `started` tells it.
    """

    def __init__(
        self, connection: Connection, root: Path, run_id: str = "", labels: Labels | None = None
    ) -> None:
        self._connection, self._root, self._labels = connection, root, labels
        self._began = time.monotonic()
        self._run_id = run_id

    def started(self, run_id: int, app: App, source: Source, overrides: dict[str, Scalar]) -> None:
        """Write what is known when the run's id is."""
        from flowerbed.flower.recording import submission
        from flowerbed.runs.records.capturing import begin

        took = time.monotonic() - self._began
        command = ["flowerbed", *sys.argv[1:]]
        made = submission(app, source, overrides, took, self._labels or Labels(), command)
        self._run_id = str(run_id)
        try:
            begin(self._connection, run_id, self._root, made)
        except FlowerbedError as error:
            narrate(f"warning: no record of the run: {error}")

    def finish(self, *, ask: bool = True, patient: bool = False) -> None:
        """Complete the record with what the SuperLink knows now; without `ask` only tell where it is.

        If `patient`, a SuperLink that is away for a moment is waited for.
        """
        if not self._run_id:
            return
        from flowerbed.runs.records.capturing import capture
        from flowerbed.runs.records.store import ARTIFACTS, folder_of, load

        try:
            if ask:
                capture(self._connection, self._run_id, self._root, patient=patient)
            record = load(self._root, self._run_id)
        except FlowerbedError as error:
            narrate(f"warning: the record is not complete: {error}")
            return
        if record:
            rest = "" if record.complete else f" (`flowerbed attach {self._run_id}` completes it)"
            folder = folder_of(self._root, self._run_id)
            narrate(f"record: {folder}{rest}")
            if given := [printable(one.name) for one in record.artifacts if one.file]:
                more = f" and {len(given) - NAMED} more" if len(given) > NAMED else ""
                narrate(f"files: {', '.join(given[:NAMED])}{more} in {folder / ARTIFACTS}")

    def resume(self) -> None:
        """Complete a record that was left incomplete; where none was begun, begin none."""
        from flowerbed.runs.records.store import load

        try:
            record = load(self._root, self._run_id)
        except FlowerbedError as error:
            narrate(f"warning: {error}")
            return
        if record and not record.complete:
            self.finish()
