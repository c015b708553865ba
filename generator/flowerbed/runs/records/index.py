"""What the records of a folder say in short, kept in one file so that thousands of them are listed at once.

`.index` is a cache: it is made anew from the records where it is missing, damaged or behind, and may be
deleted at any time. A record counts as unchanged while the time and the size of its file are the same.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from flowerbed.errors import FlowerbedError
from flowerbed.files import PRIVATE_MODE, read_file, write_atomic
from flowerbed.flower.figures import Number
from flowerbed.flower.json_text import restored
from flowerbed.runs.metrics.model import Scalar
from flowerbed.runs.model import RunRecord
from flowerbed.runs.records.model import Record
from flowerbed.runs.records.store import RECORD_FILE, load
from flowerbed.runs.report.figures import SOURCES
from flowerbed.runs.report.model import rounds_ended

INDEX = ".index"
_FORMAT = 1  # of the file
Stamp = tuple[int, int]  # when the file was written (ns since 1970), its size in bytes


class IndexEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A record in short: `figures` are the last ones, each with its round, by `SOURCE.NAME`.

    `rounds` counts those that have ended, of `planned` ones.
    """

    run: RunRecord
    name: str
    tags: tuple[str, ...]
    note: str
    federation: str
    address: str
    config: dict[str, Scalar]
    figures: dict[str, tuple[Number, int]]
    rounds: int
    planned: int | None
    remarks: tuple[str, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """The entries of a folder, newest run first, and the files that are not records."""

    entries: tuple[IndexEntry, ...]
    damaged: tuple[Path, ...]


class _Kept(msgspec.Struct, frozen=True):
    stamp: Stamp
    entry: IndexEntry | None


class _Index(msgspec.Struct, frozen=True):
    format: int
    runs: dict[str, _Kept]


def listing(root: Path) -> Listing:
    """Return what the records in a folder say in short; an empty listing where there is no such directory."""
    known, found, files = _read(root), {}, _files(root)
    for run_id, stamp in files.items():
        kept = known.get(run_id)
        found[run_id] = kept if kept and kept.stamp == stamp else _Kept(stamp, _entry(root, run_id))
    if found != known:
        _write(root, found)
    entries = [kept.entry for kept in found.values() if kept.entry]
    damaged = [root / run_id / RECORD_FILE for run_id, kept in found.items() if kept.entry is None]
    order = sorted(entries, key=lambda entry: (entry.run.pending_at, entry.run.run_id), reverse=True)
    return Listing(tuple(order), tuple(sorted(damaged)))


def recorded_ids(root: Path) -> list[str]:
    """Return the ids of the runs that have a folder, without reading any record."""
    try:
        return [name for name in os.listdir(root) if name.isascii() and name.isdecimal()]  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return []


def _files(root: Path) -> dict[str, Stamp]:
    found = {}
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(root) as folders:
        for folder in folders:
            if folder.name.isascii() and folder.name.isdecimal():
                with contextlib.suppress(OSError):
                    status = os.stat(f"{folder.path}/{RECORD_FILE}", follow_symlinks=False)  # noqa: PTH116  (thousands)
                    found[folder.name] = (status.st_mtime_ns, status.st_size)
    return found


def _read(root: Path) -> dict[str, _Kept]:
    try:
        found = read_file(root / INDEX, PRIVATE_MODE)
        index = msgspec.msgpack.decode(found.data, type=_Index) if found else None
    except (FlowerbedError, ValueError, RecursionError):
        return {}
    return index.runs if index and index.format == _FORMAT else {}


def _write(root: Path, runs: dict[str, _Kept]) -> None:
    # A folder that cannot be written to is read all the same; so are integers that msgpack does not hold.
    with contextlib.suppress(FlowerbedError, OSError, ValueError, OverflowError):
        write_atomic(root / INDEX, msgspec.msgpack.encode(_Index(_FORMAT, runs)), PRIVATE_MODE)


class _Round(msgspec.Struct):
    number: int
    server: dict[str, int | float | str]
    evaluate: dict[str, int | float | str]
    train: dict[str, int | float | str]


class _Metrics(msgspec.Struct):
    planned: int | None
    rounds: list[_Round]
    ended: bool = False


class _Short(msgspec.Struct):
    """As much of record.json as an entry needs, as it is written; reading all of it takes longer."""

    version: int
    federation: str
    address: str
    run: RunRecord
    config: dict[str, Scalar]
    metrics: _Metrics
    complete: bool
    remarks: list[str] = []
    name: str = ""
    tags: list[str] = []
    note: str = ""


def _entry(root: Path, run_id: str) -> IndexEntry | None:
    """Return what a record says in short, None for a damaged one."""
    try:
        found = read_file(root / run_id / RECORD_FILE, PRIVATE_MODE)
        if found is None:
            return None
        try:
            short: _Short | Record | None = msgspec.json.decode(found.data, type=_Short)
        except ValueError:  # an earlier version's, or none
            short = load(root, run_id)
        told = restored(msgspec.to_builtins(short))
        if not isinstance(told, dict) or told["run"]["run_id"] != run_id:
            return None
        return msgspec.convert(told | _figures(told), IndexEntry)
    except (FlowerbedError, ValueError, RecursionError):
        return None


def _figures(told: dict[str, Any]) -> dict[str, Any]:
    metrics = told["metrics"]
    figures: dict[str, tuple[Number, int]] = {}
    for source in SOURCES:
        for entry in metrics["rounds"]:
            figures |= {f"{source}.{name}": (value, entry["number"]) for name, value in entry[source].items()}
    begun = sum(entry["number"] > 0 for entry in metrics["rounds"])
    outcome = told["run"]["sub_status"] or told["run"]["status"]
    ended = rounds_ended(begun, metrics["planned"], ended=metrics["ended"] or outcome == "completed")
    return {"figures": figures, "rounds": ended, "planned": metrics["planned"]}
