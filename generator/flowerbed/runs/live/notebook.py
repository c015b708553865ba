"""A run in a notebook: its rounds as a table with curves, redrawn while it is followed.

IPython is not a dependency: it is used only where it is already loaded.
"""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from flowerbed.flower.runs import Outcome
from flowerbed.flower.text import printable
from flowerbed.flower.watcher import Watcher
from flowerbed.runs.live.clock import Progress
from flowerbed.runs.metrics.model import Metrics
from flowerbed.runs.model import RunRecord
from flowerbed.runs.report.chart import BOTTOM, HEIGHT, LEFT, RIGHT, WIDTH, Chart, charts
from flowerbed.runs.report.figures import SOURCE_WORDS, columns, number
from flowerbed.runs.report.text import answers

INTERVAL = 1.0  # seconds between two drawings
ROUNDS, CURVES = 20, 2
_COLORS = {"server": "#1f77b4", "train": "#ff7f0e", "evaluate": "#2ca02c"}


def in_notebook() -> bool:
    """Return whether this process is a notebook's kernel."""
    found = sys.modules.get("IPython")
    shell = found.get_ipython() if found else None
    return shell is not None and hasattr(shell, "kernel")


class NotebookTable(Watcher):
    """Shows the rounds in the output of the cell that runs."""

    def __init__(self) -> None:
        self._progress = Progress()
        self._display: Any = None
        self._drawn = 0.0

    def __enter__(self) -> Self:
        from IPython.display import display

        self._display = display(self._html(), display_id=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw()

    def hear(self, text: str) -> None:
        """Take lines of the log; they are drawn with the next look, since a cell belongs to one thread."""
        self._progress.hear(text)

    def look(self, status: str, computing: float) -> None:
        """Take how the run is by now, and draw it."""
        self._progress.look(status, computing)
        if time.monotonic() - self._drawn >= INTERVAL:
            self._draw()

    def end(self, outcome: Outcome) -> None:
        """Draw the run with its outcome."""
        reason = f": {outcome.reason}" if outcome.reason else ""
        self._draw(f"run {outcome.run_id}: {outcome.status}{reason}")

    def _draw(self, last: str = "") -> None:
        self._drawn = time.monotonic()
        if self._display is not None:
            self._display.update(self._html(last))

    def _html(self, last: str = "") -> Any:  # noqa: ANN401  (IPython has no types)
        from IPython.display import HTML

        heading, metrics = self._progress.now()
        return HTML(page(last or heading, metrics))


def page(heading: str, metrics: Metrics) -> str:
    """Return a line, the last rounds as a table, and curves of the first metrics, as HTML."""
    found = columns(metrics)
    curves = "".join(map(_drawing, charts(found)[:CURVES])) if len(metrics.rounds) > 1 else ""
    rows: list[list[str]] = []
    for one in metrics.rounds[-ROUNDS:]:
        values = (column.values.get(one.number) for column in found)
        cells = ["" if value is None else number(value) for value in values]
        rows.append([str(one.number), *cells, answers(one.train_replies or one.evaluate_replies)])
    names = [f"{column.name} ({SOURCE_WORDS[column.source]})" for column in found]
    shown = _rows([["round", *names, "answers"], *rows]) if rows else ""
    return f"<p>{_text(heading)}</p>{shown}{curves}"


def table(title: str, rows: Iterable[Iterable[str]]) -> str:
    """Return rows, whose first cell is their heading, as HTML; all text is escaped."""
    cells = (
        [f"<th>{_text(first)}</th>", *(f"<td>{_text(one)}</td>" for one in rest)] for first, *rest in rows
    )
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    return f"<table><caption>{_text(title)}</caption>{body}</table>"


def _rows(rows: list[list[str]]) -> str:
    head, *rest = rows
    title = "".join(f"<th>{_text(one)}</th>" for one in head)
    body = "".join(f"<tr>{''.join(f'<td>{_text(one)}</td>' for one in row)}</tr>" for row in rest)
    return f"<table><tr>{title}</tr>{body}</table>"


def _drawing(chart: Chart) -> str:
    lines = "".join(
        f'<path d="{line.path}" fill="none" stroke="{_COLORS[line.style]}" stroke-width="2"/>'
        f'<text x="{line.end.x}" y="{line.end.y}" fill="{_COLORS[line.style]}">{_text(line.end.label)}</text>'
        for line in chart.lines
    )
    ticks = "".join(
        f'<text x="{mark.x}" y="{mark.y + 16}" text-anchor="middle">{_text(mark.label)}</text>'
        for mark in chart.x_ticks
    ) + "".join(
        f'<text x="{mark.x - 4}" y="{mark.y}" text-anchor="end">{_text(mark.label)}</text>'
        for mark in chart.y_ticks
    )
    axes = f'<path d="M{LEFT} 14V{BOTTOM}H{RIGHT}" fill="none" stroke="#888"/>'
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" font-size="11" '
        f'fill="currentColor" role="img"><title>{_text(f"{chart.name}. {chart.description}")}</title>'
        f'<text x="{LEFT}" y="10">{_text(chart.name)}</text>{axes}{ticks}{lines}</svg>'
    )


def _text(text: str) -> str:
    return html.escape(printable(text))


def run_page(record: RunRecord, metrics: Metrics) -> str:
    """Return a run as a notebook shows it: the outcome, what was set, and the rounds with their curves."""
    rows = [("app", record.fab_id), ("status", record.outcome)]
    rows += [("reason", record.details)] * bool(record.details)
    rows += [(key, str(value)) for key, value in record.overrides.items()]
    return table(f"Run {record.run_id}", rows) + page(f"rounds: {len(metrics.rounds)}", metrics)
