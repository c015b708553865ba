"""The beginning of the record of a run that a Python program starts."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterable
from pathlib import Path

from flowerbed.errors import FlowerbedError
from flowerbed.flower.app.app import App
from flowerbed.flower.connection import Connection
from flowerbed.flower.labels import labels
from flowerbed.flower.recording import submission
from flowerbed.flower.source.request import Source
from flowerbed.plan import Plan
from flowerbed.runs.metrics.model import Scalar
from flowerbed.runs.records.again import again
from flowerbed.runs.records.capturing import begin, capture
from flowerbed.runs.submission import submit


class Keeper:
    """Begins the record of a run; warns if it cannot be written. Raises UsageError for a wrong label."""

    def __init__(
        self,
        connection: Connection,
        records: Path,
        plan: Plan | None,
        name: str | None = None,
        tags: Iterable[str] = (),
        note: str | None = None,
    ) -> None:
        self._connection, self._records, self._plan = connection, records, plan
        self._labels = labels(name, tags, note)
        self._began = time.monotonic()

    def started(self, run_id: int, app: App, source: Source, overrides: dict[str, Scalar]) -> None:
        """Write what is known once the run has an id."""
        # A program's arguments are its own, and may hold a secret: its name says enough.
        took, program = time.monotonic() - self._began, sys.argv[:1]
        made = submission(app, source, overrides, took, self._labels, program)
        try:
            begin(self._connection, run_id, self._records, made, self._plan)
        except FlowerbedError as error:
            warnings.warn(f"no record of the run: {error}", stacklevel=4)


def submit_again(
    connection: Connection,
    records: Path,
    plan: Plan | None,
    run_id: str,
    settings: Iterable[str] = (),
    *,
    resume: bool,
) -> str:
    """Start a run of what a recorded one ran, begin its record, and return its id. Raises as `again` does."""
    before = again(records, run_id, resume=resume)
    keeper = Keeper(connection, records, plan, note=before.note)
    said = (*before.settings, *settings)
    return submit(connection, before.app, settings=said, files=before.files, started=keeper.started)


def completed(connection: Connection, records: Path, plan: Plan | None, run_id: str) -> None:
    """Complete the record of a run that has ended; warn if it cannot be."""
    try:
        capture(connection, run_id, records, plan=plan)
    except FlowerbedError as error:
        warnings.warn(f"the record of the run is not complete: {error}", stacklevel=5)
