"""The record of a run as plain data: what `runs/RUN/record.json` holds."""

from __future__ import annotations

import msgspec

from flowerbed.runs.metrics.model import Metrics, Scalar
from flowerbed.runs.model import RunRecord
from flowerbed.runs.report.model import Environment, SourceRecord, Wait
from flowerbed.runs.report.participants import Participant

VERSION = 3


class ArtifactRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the app gave; `file` is its place in the record's folder, "" for a refused one.

    `size` in bytes, `sha256` in hexadecimal; `problem` says why it was refused, "" for a good one.
    """

    name: str
    file: str
    size: int
    sha256: str
    problem: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a run.

    `run` is the SuperLink's word on it with the time of each phase, `source` and `config` what the submitter
    knew (None and {} where somebody else submitted; then `config` is what the app told in its log), `phases`
    the seconds spent in each. `complete` is False while the run goes on, or while a part is still missing.
    `environment` (versions, host) and `command` (without secrets) are the submitter's.
    `name`, `tags` and `note` are the user's words for it, which the SuperLink does not keep.
    """

    version: int
    federation: str
    address: str
    run: RunRecord
    source: SourceRecord | None
    config: dict[str, Scalar]
    overrides: dict[str, Scalar]
    packing_seconds: float | None
    phases: tuple[Wait, ...]
    nodes: tuple[Participant, ...]
    metrics: Metrics
    artifacts: tuple[ArtifactRecord, ...]
    complete: bool
    remarks: tuple[str, ...] = ()
    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    environment: Environment | None = None
    command: tuple[str, ...] = ()
