"""Folders of records for tests: a run each, with the figures of the example's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from flowerbed.runs.records.model import VERSION, Record
from flowerbed.runs.records.store import save
from support import report_runs


def record(run_id: str = report_runs.COMPLETED.run_id, **changes: Any) -> Record:  # noqa: ANN401
    """Return a complete record; `changes` are its fields', or its run's."""
    report = report_runs.completed()
    own = {name: changes.pop(name) for name in list(changes) if name in Record.__struct_fields__}
    if "overrides" in own:
        changes["overrides"] = own["overrides"]
    run = msgspec.structs.replace(report.run, run_id=run_id, **changes)
    made = Record(
        version=VERSION, federation="digits", address="localhost:1", run=run, source=None, config={},
        overrides=run.overrides, packing_seconds=None, phases=report.stages, nodes=report.nodes,
        metrics=report.metrics, artifacts=(), complete=True,
    )  # fmt: skip
    return msgspec.structs.replace(made, **own)


def keep(root: Path, run_id: str, **changes: Any) -> Record:  # noqa: ANN401
    """Write the record of a run, and return it."""
    made = record(run_id, **changes)
    save(root, made, f"the log of {run_id}\n", [])
    return made
