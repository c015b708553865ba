"""The list of runs as a table, as CSV and for programs."""

from __future__ import annotations

import csv
import io
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from flowerbed.flower.text import printable
from flowerbed.runs.records.query import Row, figure
from flowerbed.runs.report.figures import number, rank

CELL = 48  # characters of a cell; --json has all
SHORT_ID = 8
FIGURES = 3  # that a row shows


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `least` is how narrow it may be made (0: not at all), `drop` when it is left out, first 1."""

    title: str
    cells: tuple[str, ...]
    least: int = 0
    drop: int = 0

    @property
    def width(self) -> int:
        """Return how wide it is."""
        return max(len(self.title), *map(len, self.cells), 0)


def width_of_terminal() -> int | None:
    """Return how many characters a line of the terminal has; None where stdout is not one."""
    return shutil.get_terminal_size().columns if sys.stdout and sys.stdout.isatty() else None


def table(rows: Sequence[Row], ids: Iterable[str], sorted_by: str = "", width: int | None = None) -> str:
    """Return runs as a table; within `width` characters ids are as short as tells them apart from `ids`."""
    names = short([row.run.run_id for row in rows], ids) if width else [row.run.run_id for row in rows]

    def column(title: str, of: Callable[[Row], str], least: int = 0, drop: int = 0) -> Column:
        return Column(title, tuple(_cell(of(row)) for row in rows), least, drop)

    columns = [
        Column("RUN", tuple(names)),
        column("NAME", lambda row: row.name, 10, 6),
        column("APP", _app(short=bool(width)), 8, 3),
        column("STATUS", lambda row: row.status),
        column("ELAPSED", lambda row: elapsed(row.seconds), 0, 5),
        column("SUBMITTED", _submitted(short=bool(width)), 0, 4),
        column("TAGS", lambda row: ",".join(row.tags), 6, 2),
        column(
            "SET",
            lambda row: ", ".join(f"{key}={_value(value)}" for key, value in row.run.overrides.items()),
            14,
            7,
        ),
        column("FIGURES", lambda row: _figures(row, sorted_by), 22, 8),
        column("NOTE", lambda row: "; ".join([*(row.entry.remarks if row.entry else ()), *_note(row)]), 8, 1),
    ]
    always = {"RUN", "APP", "STATUS", "ELAPSED", "SUBMITTED"}
    return aligned(fit([one for one in columns if one.title in always or any(one.cells)], width))


def fit(columns: list[Column], width: int | None) -> list[Column]:
    """Return columns that fit into a width: made narrower as far as they may be, else one less."""
    if width is None or _total(columns) <= width:
        return columns
    found = columns
    for one in sorted((one for one in columns if one.least), key=lambda one: one.drop):
        room = max(one.least, len(one.title), one.width - max(0, _total(found) - width))
        cut = replace(one, cells=tuple(_cut(cell, room) for cell in one.cells))
        found = [cut if each.title == one.title else each for each in found]
    first = min((one.drop for one in columns if one.drop), default=0)
    if _total(found) <= width or not first:
        return found
    return fit([one for one in columns if one.drop != first], width)


def aligned(columns: Sequence[Column]) -> str:
    """Return columns as lines of text."""
    lines = zip(*([one.title, *one.cells] for one in columns), strict=True)
    widths = [one.width for one in columns]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def short(run_ids: Sequence[str], known: Iterable[str]) -> list[str]:
    """Return the beginnings of ids that tell each from every other one that is known."""
    every = sorted({*run_ids, *known})
    shortest = {}
    for at, one in enumerate(every):
        near = [every[place] for place in (at - 1, at + 1) if 0 <= place < len(every)]
        alike = max((_common(one, other) for other in near), default=0)
        shortest[one] = one[: max(SHORT_ID, alike + 1)]
    return [shortest[one] for one in run_ids]


def as_csv(rows: Sequence[Row]) -> str:
    """Return runs as CSV: a line a run, a column for each key of the run config and each figure."""
    config = sorted({key for row in rows for key in row.config})
    figures = sorted({key for row in rows for key in row.figures})
    head = ["run_id", "name", "tags", "app", "version", "status", "submitted", "seconds", "rounds"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_safe, [*head, *(f"config.{key}" for key in config), *figures, "remarks", "note"]))
    for row in rows:
        run, entry = row.run, row.entry
        facts = [
            run.run_id,
            row.name,
            " ".join(row.tags),
            run.fab_id,
            run.fab_version,
            row.status,
            run.pending_at,
        ]
        facts += ["" if row.seconds is None else f"{row.seconds:.1f}", str(entry.rounds) if entry else ""]
        facts += [_value(row.config[key]) if key in row.config else "" for key in config]
        told = [repr(row.figures[key][0]) if key in row.figures else "" for key in figures]
        rest = ["; ".join(entry.remarks), entry.note] if entry else ["", ""]
        writer.writerow([*map(_safe, facts), *told, *map(_safe, rest)])
    return text.getvalue()


def as_data(row: Row) -> dict[str, object]:
    """Return a run for programs."""
    entry = row.entry
    return {
        **msgspec.structs.asdict(row.run),
        "name": row.name,
        "tags": row.tags,
        "note": entry.note if entry else "",
        "config": row.config,
        "figures": {key: {"value": value, "round": at} for key, (value, at) in row.figures.items()},
        "rounds": entry.rounds if entry else None,
        "planned": entry.planned if entry else None,
        "remarks": entry.remarks if entry else (),
        "recorded": row.recorded,
    }


def elapsed(seconds: float | None) -> str:
    """Return a time as minutes and seconds, "-" for none."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


def _app(*, short: bool) -> Callable[[Row], str]:
    def app(row: Row) -> str:
        return row.run.fab_id.rpartition("/")[2] if short else f"{row.run.fab_id} {row.run.fab_version}"

    return app


def _submitted(*, short: bool) -> Callable[[Row], str]:
    form = "%m-%d %H:%M" if short else "%Y-%m-%d %H:%M:%S"
    return lambda row: datetime.fromisoformat(row.run.pending_at).astimezone().strftime(form)


def _figures(row: Row, sorted_by: str) -> str:
    """Return some last figures, that by which the runs are sorted first, with their round where it is one."""
    first = figure(row, sorted_by)
    names = sorted(row.figures, key=lambda key: rank(key.partition(".")[2]))
    chosen: dict[str, str] = {}
    for full in [*([first[0]] if first else []), *names]:
        chosen.setdefault(full.partition(".")[2], full)
    told = [f"{name}={number(row.figures[full][0])}" for name, full in list(chosen.items())[:FIGURES]]
    rounds = {row.figures[full][1] for full in list(chosen.values())[:FIGURES]}
    mark = f"round {max(rounds)}: " if told and row.entry and row.entry.planned not in rounds else ""
    return mark + ", ".join(told)


def _note(row: Row) -> list[str]:
    return [row.entry.note] if row.entry and row.entry.note else []


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cell(text: str) -> str:
    return _cut(printable(text), CELL)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _safe(text: str) -> str:
    # A spreadsheet takes a text that begins so for a formula.
    shown = printable(text)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) and not _is_number(shown) else shown


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _common(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))


def _total(columns: Sequence[Column]) -> int:
    return sum(one.width for one in columns) + 2 * (len(columns) - 1)
