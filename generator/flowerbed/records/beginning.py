"""The beginning of the record of a run that a Python program starts."""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

from flowerbed.errors import FlowerbedError
from flowerbed.metrics.model import Scalar
from flowerbed.plan import Plan
from flowerbed.records import begin
from flowerbed.scripts.flower_app import App
from flowerbed.scripts.flower_connection import Connection
from flowerbed.scripts.flower_labels import Labels
from flowerbed.scripts.flower_record import submission
from flowerbed.scripts.flower_source import Source


class Keeper:
    """Begins the record of a run; warns if it cannot be written."""

    def __init__(self, connection: Connection, records: Path, labels: Labels, plan: Plan | None) -> None:
        self._connection, self._records, self._labels, self._plan = connection, records, labels, plan
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
