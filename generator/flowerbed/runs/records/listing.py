"""The runs that are known here: those of the SuperLink, if it answers, and those that are recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flowerbed.errors import UnreachableError
from flowerbed.flower.connection import Connection
from flowerbed.runs.control import find_runs
from flowerbed.runs.model import RunFilter, RunRecord
from flowerbed.runs.records.index import listing
from flowerbed.runs.records.query import Condition, Order, Row, ordered

MOST = 100_000  # runs of a SuperLink that are looked through for what only records know


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs, and how many of them at most; `limit` None: all."""

    filter: RunFilter = field(default_factory=RunFilter)
    conditions: Sequence[Condition] = ()
    order: Order | None = None
    limit: int | None = 20


@dataclass(frozen=True, slots=True)
class Known:
    """Runs in their order, all ids that are known, damaged records, why the SuperLink did not answer."""

    rows: list[Row]
    ids: frozenset[str]
    damaged: tuple[Path, ...]
    away: str


def known_runs(root: Path, wanted: Wanted, connect: Callable[[], Connection] | None) -> Known:
    """Return the wanted runs, newest first unless they are to be sorted.

    Without `connect`, or where the SuperLink cannot be reached and there are records, the records alone are
    asked. Raises what `connect` and the SuperLink raise, and UsageError for an order that no run has.
    """
    records = listing(root)
    entries = {entry.run.run_id: entry for entry in records.entries}
    asked, away = _asked(wanted, connect, keep=bool(entries))
    rows = [Row(run, entries.get(run.run_id)) for run in asked]
    there = {run.run_id for run in asked}
    for entry in records.entries:
        # A record that is not complete says where a run was, which the SuperLink knows better.
        stale = not away and bool(connect) and not entry.complete and bool(wanted.filter.outcomes)
        if entry.run.run_id not in there and not stale and wanted.filter.takes(entry.run):
            rows.append(Row(entry.run, entry, recorded=True))
    rows = [row for row in rows if all(one.holds(row) for one in wanted.conditions)]
    rows.sort(key=lambda row: (row.run.pending_at, row.run.run_id), reverse=True)
    rows = ordered(rows, wanted.order) if wanted.order else rows
    return Known(rows[: wanted.limit], frozenset({*entries, *there}), records.damaged, away)


def _asked(
    wanted: Wanted, connect: Callable[[], Connection] | None, *, keep: bool
) -> tuple[list[RunRecord], str]:
    if connect is None:
        return [], ""
    few = not wanted.conditions and not wanted.order and wanted.limit is not None
    try:
        return find_runs(connect(), wanted.filter, wanted.limit or MOST if few else MOST), ""
    except UnreachableError as error:
        if not keep:
            raise
        return [], error.what
