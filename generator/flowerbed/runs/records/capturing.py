"""Writes the record of a run from what the SuperLink knows by now, over what an earlier record has."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from flowerbed import documents
from flowerbed.errors import FlowerbedError, UsageError
from flowerbed.files import PRIVATE_MODE, make_private_folder, read_file, write_atomic
from flowerbed.flower.artifacts import Artifact, artifacts
from flowerbed.flower.connection import Connection
from flowerbed.flower.labels import labels
from flowerbed.flower.recording import DIFF, FAB, SUBMISSION, Submission, submission
from flowerbed.flower.runs import passing
from flowerbed.plan import Plan
from flowerbed.runs import control
from flowerbed.runs.metrics.model import Scalar
from flowerbed.runs.records.model import VERSION, Record
from flowerbed.runs.records.run_files import kept, run_folder
from flowerbed.runs.records.store import described, folder_of, load, save
from flowerbed.runs.report.model import Environment, SourceRecord, build

if TYPE_CHECKING:
    from flowerbed.flower.app.app import App
    from flowerbed.flower.source.request import Source

PATIENCE = 10.0  # seconds for which the record of a run that has ended waits for its SuperLink
RETRY_AFTER = 0.5


@dataclass(frozen=True, slots=True)
class Submitted:
    """What only the submitter knows: labels, source of the app, run config, how long packing took (s)."""

    source: SourceRecord | None = None
    config: dict[str, Scalar] = field(default_factory=dict)
    overrides: dict[str, Scalar] = field(default_factory=dict)
    packing_seconds: float | None = None
    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    environment: Environment | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Captured:
    """A record with what lies beside it: the run's log, the files in it."""

    record: Record
    log: str
    files: list[Artifact]


def capture(
    connection: Connection,
    run_id: str,
    root: Path,
    *,
    submitted: Submitted | None = None,
    plan: Plan | None = None,
    with_log: bool = True,
    patient: bool = False,
) -> Record:
    """Write the record of a run into `root/RUN` and return it; what was submitted stays known.

    Raises UnreachableError, NotAllowedError, UsageError where the SuperLink does not know the run, and
    FlowerbedError where the folder cannot be written. A record that is complete is returned as it is.
    Without `with_log` it is quick, since the log of a run that goes on is waited for. If `patient`,
    a SuperLink that is away is asked again for 10 seconds.
    """
    before = load(root, run_id)
    if before and before.complete and submitted is None:
        return before
    if submitted and before:  # labels that are given again replace those of before
        given = {name: getattr(submitted, name) for name in ("name", "tags", "note")}
        before = msgspec.structs.replace(before, **{name: value for name, value in given.items() if value})
    submitted = submitted or handed_in(root, run_id)
    limit = time.monotonic() + PATIENCE * patient
    while True:
        try:
            seen = look(connection, run_id, before, submitted=submitted, plan=plan, with_log=with_log)
            break
        except FlowerbedError as error:
            if not passing(error) or time.monotonic() > limit:
                raise
            time.sleep(RETRY_AFTER)
    record = seen.record
    if folder := run_folder(connection, run_id):
        files = kept(record.artifacts, folder, folder_of(root, run_id))
        record = msgspec.structs.replace(record, artifacts=files)
    save(root, record, seen.log, seen.files)
    return record


def begin(
    connection: Connection, run_id: int, root: Path, made: Submission, plan: Plan | None = None
) -> Record:
    """Write the record of a run that was just started; `made` is `flower_record.submission`'s.

    Raises what `capture` does.
    """
    folder = folder_of(root, str(run_id))
    make_private_folder(folder)
    write_atomic(folder / FAB, made.fab, PRIVATE_MODE)
    if made.diff:
        write_atomic(folder / DIFF, made.diff, PRIVATE_MODE)
    submitted = msgspec.convert(made.facts, Submitted)
    return capture(connection, str(run_id), root, submitted=submitted, plan=plan, with_log=False)


def look(
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
    known = _known(submitted, before)
    run, log = (
        control.run_and_log(connection, run_id) if with_log else (control.get_run(connection, run_id), "")
    )
    report = build(run, log, control.list_nodes(connection), plan)
    files = artifacts(log)
    record = Record(
        version=VERSION,
        federation=report.federation or (before.federation if before else ""),
        address=connection.address,
        run=run,
        source=known.source,
        config=known.config or report.config,
        overrides=known.overrides or report.overrides,
        packing_seconds=known.packing_seconds,
        phases=report.stages,
        nodes=report.nodes,
        metrics=report.metrics,
        artifacts=described(files),
        complete=with_log and run.status == "finished",
        remarks=report.remarks,
        name=known.name,
        tags=known.tags,
        note=known.note,
        environment=known.environment,
        command=known.command,
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
        return documents.decode(found.data, Submitted)
    except ValueError as error:
        raise UsageError(f"this is not what submit.py leaves: {error}", where=str(file)) from None


def _known(submitted: Submitted | None, before: Record | None) -> Submitted:
    """Return what the submitter knew; labels in an earlier record, which a user may have changed, stay."""
    if before is None:
        return submitted or Submitted()
    config = {} if before.source is None else before.config
    kept = Submitted(
        before.source,
        config,
        before.overrides,
        before.packing_seconds,
        environment=before.environment,
        command=before.command,
    )
    found = submitted or kept
    return replace(
        found,
        name=before.name or found.name,
        tags=before.tags or found.tags,
        note=before.note or found.note,
    )


class Keeper:
    """Begins the record of a run that a Python program starts; warns if it cannot be written.

    Raises UsageError for a wrong label.
    """

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


def completed(connection: Connection, records: Path, plan: Plan | None, run_id: str) -> None:
    """Complete the record of a run that has ended; warn if it cannot be."""
    try:
        capture(connection, run_id, records, plan=plan, patient=True)
    except FlowerbedError as error:
        warnings.warn(f"the record of the run is not complete: {error}", stacklevel=5)
