"""Records of runs: a folder `runs/RUN` for each, complete even when nobody followed to the end.

    record.json     all that is known, in the form of schema/run.schema.json
    log.txt         the run's log
    artifacts/      the files that the app gave

Each file is written whole or not at all, `record.json` last; whoever asks later completes what is missing.
"""

from flowerbed.flower.artifacts import Artifact, artifacts
from flowerbed.runs.records.capture import Submitted, begin, capture
from flowerbed.runs.records.ending import ended, outcome_of
from flowerbed.runs.records.model import ArtifactRecord, Record
from flowerbed.runs.records.reporting import recorded, report_of
from flowerbed.runs.records.run_files import read_files
from flowerbed.runs.records.selecting import run_of
from flowerbed.runs.records.store import ARTIFACTS, folder_of, load, load_log, schema_text
from flowerbed.runs.report import SourceRecord

__all__ = [
    "ARTIFACTS",
    "Artifact",
    "ArtifactRecord",
    "Record",
    "SourceRecord",
    "Submitted",
    "artifacts",
    "begin",
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
]
