"""What a recorded run needs to be run once more: its app, what was set for it, and the files that it left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import tomli_w  # comes with flwr

from flowerbed.errors import UsageError
from flowerbed.flower.app.build import LARGEST_FAB
from flowerbed.flower.connection import Connection
from flowerbed.flower.recording import FAB
from flowerbed.flower.source.request import Prepared, Source, sha256_of
from flowerbed.plan import Plan
from flowerbed.runs.metrics.model import Scalar
from flowerbed.runs.records.capturing import Keeper
from flowerbed.runs.records.run_files import read_files
from flowerbed.runs.records.store import folder_of, load
from flowerbed.runs.submission import submit


@dataclass(frozen=True, slots=True)
class Again:
    """An app as it was sent, what was set of its run config, the run's files by name, and what is missing.

    `settings` are as `--set` takes them; `note` says what the run to come is.
    """

    app: Prepared
    settings: tuple[str, ...]
    files: Mapping[str, bytes]
    missing: tuple[str, ...]
    note: str


def again(root: Path, run_id: str, *, resume: bool) -> Again:
    """Return what a run was made of; with `resume`, the files that it left as well.

    Raises UsageError for a run whose record is not here, has no app, or is not complete.
    """
    record = load(root, run_id)
    if record is None:
        remedy = "name one that was submitted from here, or submit its app"
        raise UsageError(f"there is no record of run {run_id} in {root}", remedy=remedy)
    fab = folder_of(root, run_id) / FAB
    if not fab.is_file():
        remedy = "submit the app itself, with the same --set"
        raise UsageError(f"the record of run {run_id} does not have its app", remedy=remedy)
    if resume and not record.complete:
        remedy = f"stop it, or wait for its end: `flowerbed attach {run_id}` completes the record"
        raise UsageError(
            f"the record of run {run_id} is not complete, so files may be missing", remedy=remedy
        )
    if resume and (size := sum(one.size for one in record.artifacts if one.file)) > LARGEST_FAB:
        remedy = "keep large files on a volume or in an object store that the app reads itself"
        raise UsageError(
            f"the files of run {run_id} have {size:,} bytes: a FAB takes {LARGEST_FAB:,}", remedy=remedy
        )
    files = read_files(root, record) if resume else {}
    missing = tuple(one.name for one in record.artifacts if not one.file) if resume else ()
    # Not the folder that it came from, which may have other files by now.
    commit = record.source.commit if record.source else ""
    source = Source(kind="fab", location=str(fab), commit=commit, sha256=sha256_of(fab))
    settings = tuple(f"{key}={_written(value)}" for key, value in record.overrides.items())
    note = f"{'resumed from' if resume else 'retry of'} run {run_id}"
    return Again(Prepared(fab, source), settings, files, missing, note)


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


def _written(value: Scalar) -> str:
    return tomli_w.dumps({"value": value}).partition(" = ")[2].rstrip("\n")
