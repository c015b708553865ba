"""Records of runs: a folder `runs/RUN` for each, complete even when nobody followed to the end.

    record.json     all that is known, in the form of schema/run.schema.json
    log.txt         the run's log
    artifacts/      the files that the app gave

Each file is written whole or not at all, `record.json` last; whoever asks later completes what is missing.
"""

from flowerbed.records.capture import Submitted, capture
from flowerbed.records.model import ArtifactRecord, Record
from flowerbed.records.reporting import recorded, report_of
from flowerbed.records.store import folder_of, load, load_log, schema_text
from flowerbed.report import SourceRecord
from flowerbed.scripts.flower_artifacts import Artifact, artifacts

__all__ = [
    "Artifact",
    "ArtifactRecord",
    "Record",
    "SourceRecord",
    "Submitted",
    "artifacts",
    "capture",
    "folder_of",
    "load",
    "load_log",
    "recorded",
    "report_of",
    "schema_text",
]
