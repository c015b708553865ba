"""Writes the record of a run from what the SuperLink knows by now, over what an earlier record has."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from flowerbed import runs
from flowerbed.errors import UsageError
from flowerbed.files import PRIVATE_MODE, read_file
from flowerbed.metrics.model import Scalar
from flowerbed.plan import Plan
from flowerbed.records.model import VERSION, Record
from flowerbed.records.store import described, folder_of, load, save
from flowerbed.report import SourceRecord, build
from flowerbed.scripts.flower_artifacts import Artifact, artifacts
from flowerbed.scripts.flower_connection import Connection
from flowerbed.scripts.flower_record import SUBMISSION


@dataclass(frozen=True, slots=True)
class Submitted:
    """What only the submitter knows: where the app came from, the run config, how long packing took (s)."""

    source: SourceRecord | None = None
    config: dict[str, Scalar] = field(default_factory=dict)
    overrides: dict[str, Scalar] = field(default_factory=dict)
    packing_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Captured:
    """A record with what lies beside it: the run's log, the files in it."""

    record: Record
    log: str
    files: list[Artifact]


def capture(  # noqa: PLR0913  (what is known comes from four places)
    connection: Connection,
    run_id: str,
    root: Path,
    *,
    submitted: Submitted | None = None,
    plan: Plan | None = None,
    with_log: bool = True,
) -> Record:
    """Write the record of a run into `root/RUN` and return it; what was submitted stays known.

    Raises UnreachableError, NotAllowedError, UsageError where the SuperLink does not know the run, and
    FlowerbedError where the folder cannot be written. A record that is complete is returned as it is.
    Without `with_log` it is quick, since the log of a run that goes on is waited for.
    """
    before = load(root, run_id)
    if before and before.complete and submitted is None:
        return before
    submitted = submitted or handed_in(root, run_id)
    seen = look(connection, run_id, before, submitted=submitted, plan=plan, with_log=with_log)
    save(root, seen.record, seen.log, seen.files)
    return seen.record


def look(  # noqa: PLR0913  (what is known comes from four places)
    connection: Connection,
    run_id: str,
    before: Record | None = None,
    *,
    submitted: Submitted | None = None,
    plan: Plan | None = None,
    with_log: bool = True,
) -> Captured:
    """Return what the SuperLink knows of a run by now, with what an earlier record knows; write nothing.

    Raises UnreachableError, NotAllowedError, UsageError where the SuperLink does not know the run.
    """
    known = submitted or _submitted(before)
    run, log = runs.run_and_log(connection, run_id) if with_log else (runs.get_run(connection, run_id), "")
    report = build(run, log, runs.list_nodes(connection), plan)
    files = artifacts(log)
    record = Record(
        version=VERSION,
        federation=report.federation or (before.federation if before else ""),
        address=connection.address,
        run=run,
        source=known.source,
        config=known.config or report.metrics.config,
        overrides=known.overrides,
        packing_seconds=known.packing_seconds,
        phases=report.stages,
        nodes=report.participants,
        metrics=report.metrics,
        artifacts=described(files),
        complete=with_log and run.status == "finished",
    )
    return Captured(record, log, files)


def handed_in(root: Path, run_id: str) -> Submitted | None:
    """Return what `submit.py --record` left in the folder of a run, None where it left nothing.

    Raises UsageError for what is none of its files.
    """
    file = folder_of(root, run_id) / SUBMISSION
    found = read_file(file, PRIVATE_MODE)
    if found is None:
        return None
    try:
        return msgspec.json.decode(found.data, type=Submitted)
    except msgspec.DecodeError as error:
        raise UsageError(f"this is not what submit.py leaves: {error}", where=str(file)) from None


def _submitted(before: Record | None) -> Submitted:
    if before is None:
        return Submitted()
    config = {} if before.source is None else before.config
    return Submitted(before.source, config, before.overrides, before.packing_seconds)
