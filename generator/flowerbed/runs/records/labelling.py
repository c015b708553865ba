"""Changing what a user calls a run, in its record, after it was submitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from flowerbed import documents
from flowerbed.errors import UsageError
from flowerbed.files import PRIVATE_MODE, write_atomic
from flowerbed.flower.connection import Connection
from flowerbed.flower.labels import labels
from flowerbed.runs.records.capturing import handed_in, look
from flowerbed.runs.records.model import Record
from flowerbed.runs.records.store import RECORD_FILE, folder_of, load, save


def relabel(
    root: Path,
    run_id: str,
    connect: Callable[[], Connection] | None = None,
    *,
    name: str | None = None,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
    note: str | None = None,
) -> Record:
    """Change a run's labels and return its record; None leaves a name or note, "" removes it.

    A run without a record gets one from the SuperLink at `connect()`. Raises UsageError for a label that
    cannot be, and for a run without a record if there is no `connect`; UnreachableError; NotAllowedError.
    """
    gone = set(remove)
    labels(name or None, [*add, *gone], note or None)
    before = load(root, run_id)
    if before is None:
        if connect is None:
            raise UsageError(f"there is no record of run {run_id}", where=str(root))
        seen = look(connect(), run_id, submitted=handed_in(root, run_id))
        save(root, seen.record, seen.log, seen.files)
        before = seen.record
    tags = tuple(tag for tag in dict.fromkeys([*before.tags, *add]) if tag not in gone)
    labels(None, tags)
    found = msgspec.structs.replace(
        before,
        name=before.name if name is None else name,
        tags=tags,
        note=before.note if note is None else note,
    )
    if found != before:
        write_atomic(folder_of(root, run_id) / RECORD_FILE, documents.encode(found), PRIVATE_MODE)
    return found
