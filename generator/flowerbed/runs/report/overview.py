"""Any number of runs as a table with a line for each: outcome, rounds, what differs, the last figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from flowerbed.flower.text import printable
from flowerbed.runs.metrics.model import Scalar
from flowerbed.runs.report.comparison import Comparison
from flowerbed.runs.report.figures import number
from flowerbed.runs.report.model import rounds_in_words
from flowerbed.runs.report.text import aligned

MARK = "*"
LEGEND = f"{MARK} differs from most of the other runs; a figure, because it is of another round"
CELL = 36  # characters of a cell in text; the page and JSON have every cell whole


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's text, and whether most other runs have another value than this one."""

    text: str
    unlike: bool = False

    def __str__(self) -> str:
        return self.text + MARK * self.unlike


@dataclass(frozen=True, slots=True)
class Column:
    """A column with a cell for each run; `left` aligns it to the left."""

    title: str
    cells: tuple[Cell, ...]
    left: bool = False

    @property
    def width(self) -> int:
        """Return the number of characters of the widest cell."""
        return max(len(self.title), *(len(str(cell)) for cell in self.cells))


def unlike(values: Sequence[Hashable | None]) -> list[bool]:
    """Return for each value whether more than half of all known ones are equal, and this one is another.

    None is an unknown value, which is unlike none.
    """
    known = [value for value in values if value is not None]
    common, count = Counter(known).most_common(1)[0] if known else (None, 0)
    if count * 2 <= len(known):
        return [False] * len(values)
    return [value is not None and value != common for value in values]


def marked(texts: Sequence[str]) -> list[Cell]:
    """Return texts as cells; an empty one is an unknown value."""
    return [
        Cell(text, mark) for text, mark in zip(texts, unlike([text or None for text in texts]), strict=True)
    ]


def config_value(value: Scalar | None) -> str:
    """Return a value of the run config as it is written in a setting, "" for None."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def figure_cells(comparison: Comparison) -> list[tuple[str, list[Cell]]]:
    """Return the last figure of each run by `SOURCE.NAME`, with its round where rounds differ."""
    rows = []
    for figure in comparison.figures:
        ends = [max(each, default=None) for each in figure.runs]
        alike = len({at for at in ends if at is not None}) == 1
        texts = [
            "" if at is None else number(each[at]) + ("" if alike else f" (round {at})")
            for at, each in zip(ends, figure.runs, strict=True)
        ]
        cells = [Cell(text, mark) for text, mark in zip(texts, unlike(ends), strict=True)]
        rows.append((f"{figure.source}.{figure.name}", cells))
    return rows


def columns(comparison: Comparison, names: Sequence[str], first: str = "") -> list[Column]:
    """Return the table's columns; `names` are the runs' ids as they are shown.

    The figure or key `first` comes before all others of its kind.
    """
    runs = comparison.runs
    facts = [
        Column("NAME", tuple(Cell(one.name) for one in runs), left=True),
        Column("OUTCOME", tuple(marked([one.run.outcome for one in runs])), left=True),
        Column("ROUNDS", tuple(marked([rounds_in_words(one) for one in runs]))),
    ]
    config = [
        Column(key, tuple(marked([config_value(value) for value in each])))
        for key, each in comparison.differences.items()
    ]
    figures = [Column(name, tuple(cells)) for name, cells in figure_cells(comparison)]
    ordered = sorted(config, key=lambda one: one.title != first.removeprefix("config."))
    ordered += sorted(figures, key=lambda one: first not in {one.title, one.title.partition(".")[2]})
    known = [one for one in facts if any(cell.text for cell in one.cells)]
    return [Column("RUN", tuple(map(Cell, names)), left=True), *known, *ordered]


def render_overview(
    comparison: Comparison, names: Sequence[str], first: str = "", width: int | None = None
) -> str:
    """Return the table as text within `width` characters (None: any), and the titles left out."""
    found = [_short(one) for one in columns(comparison, names, first)]
    kept = _fitting(found, width)
    cells = zip(*(one.cells for one in kept), strict=True)
    rows = [[one.title for one in kept], *(list(map(str, row)) for row in cells)]
    lines = [aligned(rows, left=sum(one.left for one in kept))]
    if left_out := [one.title for one in found if one not in kept]:
        lines.append(f"not shown: {', '.join(left_out)}")
    if any(cell.unlike for one in kept for cell in one.cells):
        lines.append(LEGEND)
    return "\n".join(lines)


def _fitting(found: list[Column], width: int | None) -> list[Column]:
    """Return columns that fit: run, outcome, the first figure and the config matter most."""
    if width is None:
        return found
    facts = sum(one.title in {"RUN", "NAME", "OUTCOME", "ROUNDS"} for one in found)
    # A figure and a key in turn, so that a narrow table still says what was set and what came of it.
    figures = [one for one in found[facts:] if one.title.partition(".")[0] in {"server", "train", "evaluate"}]
    config = [one for one in found[facts:] if one not in figures]
    turns = [one for at in range(len(found)) for one in (*config[at : at + 1], *figures[at : at + 1])]
    kept, room = list(found[:facts]), width - sum(one.width + 2 for one in found[:facts]) + 2
    for one in turns:
        if one.width + 2 <= room:
            kept.append(one)
            room -= one.width + 2
    return [one for one in found if one in kept]


def _short(column: Column) -> Column:
    cells = (replace(cell, text=_cut(printable(cell.text))) for cell in column.cells)
    return replace(column, title=_cut(printable(column.title)), cells=tuple(cells))


def _cut(text: str) -> str:
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"
