"""The runs that are known here: those of the SuperLink, if it answers, and those that are recorded.

They are chosen and sorted by name, tag, run config and last figures:

--where 'lr=0.1'   --where 'loss<0.5'   --where 'tag=paper'   --where 'name=sweep-*'   --where 'note~norm'
--sort loss        --sort accuracy:max  --sort submitted
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from flowerbed.errors import UnreachableError, UsageError
from flowerbed.flower.connection import Connection
from flowerbed.flower.figures import Number
from flowerbed.flower.text import printable
from flowerbed.runs.control import find_runs
from flowerbed.runs.metrics.model import Scalar
from flowerbed.runs.model import RunFilter, RunRecord
from flowerbed.runs.records.index import IndexEntry, listing
from flowerbed.runs.report.figures import SOURCES, columns
from flowerbed.runs.report.model import Report, rounds_done

MOST = 100_000  # runs of a SuperLink that are looked through for what only records know

_CONDITION = re.compile(r"\s*(?P<key>[^=!<>~]+?)\s*(?P<sign>!=|<=|>=|=|<|>|~)\s*(?P<value>.*?)\s*", re.DOTALL)
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}
CONDITIONS = "write KEY=VALUE, with = != < <= > >= or ~ (contains)"


class Row(msgspec.Struct, frozen=True):
    """A run as it is listed: `entry` is what its record says, None without one.

    `recorded` says that `run` is from the record alone, since no SuperLink was asked or knows it.
    """

    run: RunRecord
    entry: IndexEntry | None
    recorded: bool = False

    @property
    def config(self) -> dict[str, Scalar]:
        """Return the run config as far as it is known."""
        return (self.entry.config if self.entry else {}) | self.run.overrides

    @property
    def figures(self) -> dict[str, tuple[Number, int]]:
        """Return the last figures, each with its round, by `SOURCE.NAME`."""
        return self.entry.figures if self.entry else {}

    @property
    def name(self) -> str:
        """Return the run's name, "" for none."""
        return self.entry.name if self.entry else ""

    @property
    def tags(self) -> tuple[str, ...]:
        """Return the run's tags."""
        return self.entry.tags if self.entry else ()

    @property
    def status(self) -> str:
        """Return where the run is, or how it ended; with a `?` where only an incomplete record says so."""
        open_ended = self.recorded and self.run.status != "finished"
        return self.run.outcome + "?" * open_ended

    @property
    def seconds(self) -> float | None:
        """Return how long the run has run; None before it runs."""
        if not self.run.running_at:
            return None
        if not self.run.finished_at and self.recorded:
            return None
        end = datetime.fromisoformat(self.run.finished_at) if self.run.finished_at else datetime.now(UTC)
        return (end - datetime.fromisoformat(self.run.running_at)).total_seconds()


def row_of(report: Report) -> Row:
    """Return a run as it is listed, from its report."""
    figures: dict[str, tuple[Number, int]] = {}
    for column in columns(report.metrics):
        last = max(column.values)
        figures[f"{column.source}.{column.name}"] = (column.values[last], last)
    entry = IndexEntry(
        run=report.run,
        name=report.name,
        tags=report.tags,
        note=report.note,
        federation=report.federation,
        address="",
        config=report.config,
        figures=figures,
        rounds=rounds_done(report),
        planned=report.metrics.planned,
        remarks=report.remarks,
        complete=report.run.status == "finished",
    )
    return Row(report.run, entry)


def figure(row: Row, key: str) -> tuple[str, Number, int] | None:
    """Return a last figure by `SOURCE.NAME`, or by its name in the first source that has it; None without."""
    for full in (key, *(f"{source}.{key}" for source in SOURCES)):
        if full in row.figures:
            return (full, *row.figures[full])
    return None


def values(row: Row, key: str) -> tuple[Scalar, ...]:
    """Return what a run has for a key: one of its own facts, of its run config, or a last figure."""
    run, facts = row.run, row.entry
    own: dict[str, tuple[Scalar, ...]] = {
        "id": (run.run_id,),
        "name": (row.name,),
        "tag": row.tags,
        "note": (facts.note if facts else "",),
        "app": (run.fab_id, run.fab_id.rpartition("/")[2]),
        "status": (run.outcome,),
        "federation": (facts.federation if facts else "",),
        "submitted": (run.pending_at,),
        "elapsed": () if row.seconds is None else (row.seconds,),
    }
    if key in own:
        return own[key]
    bare = key.removeprefix("config.")
    if bare in row.config and (bare != key or key not in row.figures):
        return (row.config[bare],)
    found = figure(row, key)
    return (found[1],) if found else ()


@dataclass(frozen=True, slots=True)
class Condition:
    """What a run must meet: `sign` is one of = != < <= > >= ~."""

    key: str
    sign: str
    value: str

    def holds(self, row: Row) -> bool:
        """Return whether a run meets it; one that has no such key does not, but for the tag that it lacks."""
        found = values(row, self.key)
        if self.sign == "!=":
            return bool(found or self.key == "tag") and not any(_equal(one, self.value) for one in found)
        if self.sign == "=":
            return any(_equal(one, self.value) for one in found)
        if self.sign == "~":
            return any(self.value.lower() in _text(one).lower() for one in found)
        wanted = _number(self.value)
        numbers = [number for one in found if (number := _number(one)) is not None]
        return wanted is not None and any(_ORDERS[self.sign](one, wanted) for one in numbers)


def condition(text: str) -> Condition:
    """Read a condition such as `loss<0.5`. Raises UsageError."""
    found = _CONDITION.fullmatch(text)
    if not found:
        raise UsageError(f"{printable(text)!r} is not a condition", remedy=CONDITIONS)
    if found["sign"] in _ORDERS and _number(found["value"]) is None:
        raise UsageError(f"{printable(text)!r}: {found['sign']} needs a number", remedy=CONDITIONS)
    return Condition(found["key"], found["sign"], found["value"])


@dataclass(frozen=True, slots=True)
class Order:
    """By which key runs are sorted, the largest value first or last."""

    key: str
    largest_first: bool = False


def order(text: str) -> Order:
    """Read `KEY`, `KEY:min` (the smallest first, as without it) or `KEY:max`. Raises UsageError."""
    key, _, way = text.rpartition(":")
    if way in {"min", "max"} and key:
        return Order(key, way == "max")
    if not text:
        raise UsageError(
            "--sort needs a key", remedy="write for instance loss, accuracy:max or submitted:max"
        )
    return Order(text)


def ordered(rows: Iterable[Row], how: Order) -> list[Row]:
    """Return runs in an order; those without the key come last, figures that are not a number before them.

    Raises UsageError where no run has the key.
    """
    found = list(rows)
    have = [(row, each[0]) for row in found if (each := values(row, how.key))]
    if found and not have:
        raise UsageError(
            f"no run has {printable(how.key)!r}", remedy=f"there is: {', '.join(keys(found)[:20])}"
        )
    numbers = [(row, one) for row, each in have if (one := _number(each)) is not None]
    real = [(row, one) for row, one in numbers if not math.isnan(one)]
    listed = [row for row, _ in sorted(real, key=lambda pair: pair[1], reverse=how.largest_first)]
    words = [(row, _text(one)) for row, one in have if _number(one) is None]
    listed += [row for row, _ in sorted(words, key=lambda pair: pair[1], reverse=how.largest_first)]
    there = {row.run.run_id for row in listed}
    rest = [row for row, _ in numbers] + found
    return list(
        {
            row.run.run_id: row for row in [*listed, *(one for one in rest if one.run.run_id not in there)]
        }.values()
    )


def keys(rows: Sequence[Row]) -> list[str]:
    """Return the keys of run config and figures that any of some runs has."""
    found = {key for row in rows for key in row.config}
    return sorted(found) + sorted({key for row in rows for key in row.figures})


def _equal(one: Scalar, value: str) -> bool:
    if isinstance(one, str | bool):
        return fnmatch.fnmatchcase(_text(one), value)
    number, wanted = _number(one), _number(value)
    if number is None or wanted is None:
        return str(one) == value  # an integer that no float holds
    return number == wanted or (math.isnan(number) and math.isnan(wanted))


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: Scalar) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


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
