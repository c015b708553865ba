"""Records of runs: a folder `runs/RUN` for each, complete even when nobody followed to the end.

    record.json     all that is known, in the form of schema/run.schema.json
    log.txt         the run's log
    artifacts/      the files that the app gave

Each file is written whole or not at all, `record.json` last; whoever asks later completes what is missing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowerbed.flower.artifacts import Artifact, artifacts
    from flowerbed.flower.recording import submission
    from flowerbed.runs.records.capturing import Submitted, begin, capture
    from flowerbed.runs.records.model import ArtifactRecord, Record
    from flowerbed.runs.records.reporting import ended, outcome_of, recorded, report_of
    from flowerbed.runs.records.run_files import read_files
    from flowerbed.runs.records.selecting import candidates, run_of
    from flowerbed.runs.records.store import ARTIFACTS, folder_of, load, load_log, schema_text
    from flowerbed.runs.report import SourceRecord

_HOMES = {
    "ARTIFACTS": "runs.records.store",
    "Artifact": "flower.artifacts",
    "ArtifactRecord": "runs.records.model",
    "Record": "runs.records.model",
    "SourceRecord": "runs.report",
    "Submitted": "runs.records.capturing",
    "artifacts": "flower.artifacts",
    "begin": "runs.records.capturing",
    "candidates": "runs.records.selecting",
    "capture": "runs.records.capturing",
    "ended": "runs.records.reporting",
    "folder_of": "runs.records.store",
    "load": "runs.records.store",
    "load_log": "runs.records.store",
    "outcome_of": "runs.records.reporting",
    "read_files": "runs.records.run_files",
    "recorded": "runs.records.reporting",
    "report_of": "runs.records.reporting",
    "run_of": "runs.records.selecting",
    "schema_text": "runs.records.store",
    "submission": "flower.recording",
}

__all__ = [
    "ARTIFACTS",
    "Artifact",
    "ArtifactRecord",
    "Record",
    "SourceRecord",
    "Submitted",
    "artifacts",
    "begin",
    "candidates",
    "capture",
    "ended",
    "folder_of",
    "load",
    "load_log",
    "outcome_of",
    "read_files",
    "recorded",
    "report_of",
    "run_of",
    "schema_text",
    "submission",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"flowerbed.{_HOMES[name]}"), name)
