"""The rounds of a run as a table that grows below its log, on a terminal, while the run is followed."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from flowerbed.flower.watcher import Watcher

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live
    from rich.table import Table

    from flowerbed.runs.metrics.model import Metrics

ROUNDS, COLUMNS = 8, 6
CELL = 10  # characters of a figure at most, so that every column keeps its width
_FRAME = 22  # characters of the round's and the answers' columns with their borders
_INTERVAL = 0.5


def watcher(*, plain: bool) -> Watcher:
    """Return the table, for a terminal that can show one; else, and for `plain`, what does nothing."""
    shows = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return RoundsTable() if shows and not plain else Watcher()


class RoundsTable(Watcher):
    """Shows the last rounds with their figures; what is printed meanwhile scrolls by above.

    Colors are left out where NO_COLOR is set, as rich does.
    """

    def __init__(self) -> None:
        from flowerbed.runs.live.clock import Progress

        self._progress = Progress()
        self._live: Live | None = None
        self._width = 80

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        self._width = console.width
        # What goes to stdout is a result: it passes above the table only where it is a terminal's as well.
        self._live = Live(
            console=console,
            get_renderable=self._shown,
            refresh_per_second=1 / _INTERVAL,
            redirect_stdout=sys.stdout.isatty(),
            vertical_overflow="crop",
        )
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.__exit__(kind, error, trace)
            self._live = None

    def hear(self, text: str) -> None:
        """Take lines of the log; the table is drawn again by itself."""
        self._progress.hear(text)

    def look(self, status: str, computing: float) -> None:
        """Take how the run is by now."""
        self._progress.look(status, computing)

    def _shown(self) -> Group:
        from rich.console import Group
        from rich.text import Text

        heading, metrics = self._progress.now()
        text = Text(heading, style="bold cyan", no_wrap=True, overflow="ellipsis")
        return Group(text, *[table(metrics, self._width)] * any(columns_of(metrics)))


def columns_of(metrics: Metrics) -> tuple[bool, bool]:
    """Return whether there are figures, and whether there are answers, to be shown as a table."""
    figures = any(one.server or one.train or one.evaluate for one in metrics.rounds)
    return figures, any(one.train_replies or one.evaluate_replies for one in metrics.rounds)


def table(metrics: Metrics, width: int = 80) -> Table:
    """Return the last rounds as a table: their figures, and how many nodes answered.

    `width` is the terminal's, in characters; it bounds the number of columns, each of which keeps its own.
    """
    from rich.table import Table
    from rich.text import Text

    from flowerbed.flower.text import printable
    from flowerbed.runs.report.figures import SOURCE_WORDS, columns, number
    from flowerbed.runs.report.text import answers

    found = columns(metrics)[: max(1, min(COLUMNS, (width - _FRAME) // (CELL + 3)))]
    made = Table(header_style="cyan")
    made.add_column("round", justify="right", width=5, no_wrap=True)
    for column in found:
        source = SOURCE_WORDS[column.source].removeprefix("nodes, ")
        title = Text(f"{printable(column.name)}\n{source}", no_wrap=True, overflow="ellipsis")
        made.add_column(title, justify="right", width=CELL, no_wrap=True, overflow="ellipsis")
    _, answered = columns_of(metrics)
    if answered:
        made.add_column("answers", justify="right", width=CELL, no_wrap=True)
    for entry in metrics.rounds[-ROUNDS:]:
        values = (column.values.get(entry.number) for column in found)
        cells = ["" if value is None else number(value) for value in values]
        replies = entry.train_replies or entry.evaluate_replies
        style = "red" if replies and (replies.failures or replies.missing) else ""
        cells += [answers(replies)] if answered else []
        made.add_row(str(entry.number), *cells, style=style)
    return made
