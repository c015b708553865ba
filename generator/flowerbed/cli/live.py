"""The rounds of a run as a table that grows below its log, on a terminal, while the run is followed."""

from __future__ import annotations

import os
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

from flowerbed.scripts.flower_watch import Watcher

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from flowerbed.metrics import Metrics

ROUNDS, COLUMNS = 8, 6
_INTERVAL = 0.5


def watcher(*, plain: bool) -> Watcher:
    """Return the table, for a terminal that can show one; else, and for `plain`, what does nothing."""
    shows = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    return RoundsTable() if shows and not plain else Watcher()


class RoundsTable(Watcher):
    """Shows the last rounds with their figures; what is printed meanwhile scrolls by above.

    Colours are left out where NO_COLOR is set, as rich does.
    """

    def __init__(self) -> None:
        from flowerbed.metrics import LogReader

        self._reader = LogReader()
        self._lock = threading.Lock()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.live import Live

        # What goes to stdout is a result: it passes above the table only where it is a terminal's as well.
        self._live = Live(
            console=Console(stderr=True),
            get_renderable=self._table,
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
        with self._lock:
            self._reader.feed(text)

    def _table(self) -> Table:
        with self._lock:
            metrics = self._reader.finish()
        return table(metrics)


def table(metrics: Metrics) -> Table:
    """Return the last rounds as a table: their figures, and how many nodes answered."""
    from rich.table import Table
    from rich.text import Text

    from flowerbed.report.figures import SOURCE_WORDS, columns, number, printable
    from flowerbed.report.text import answers

    found = columns(metrics)[:COLUMNS]
    title = f"rounds: {sum(one.number > 0 for one in metrics.rounds)}"
    title += f" of {metrics.planned}" if metrics.planned else ""
    made = Table(title=title, title_justify="left", title_style="bold cyan", header_style="cyan")
    if not metrics.rounds:
        return Table.grid()
    made.add_column("round", justify="right")
    for column in found:
        made.add_column(Text(f"{printable(column.name)}\n{SOURCE_WORDS[column.source]}"), justify="right")
    answered = any(entry.train_replies or entry.evaluate_replies for entry in metrics.rounds)
    if answered:
        made.add_column("answers", justify="right")
    for entry in metrics.rounds[-ROUNDS:]:
        values = (column.values.get(entry.number) for column in found)
        cells = ["" if value is None else number(value) for value in values]
        replies = entry.train_replies or entry.evaluate_replies
        style = "red" if replies and replies.failures else ""
        cells += [answers(replies)] if answered else []
        made.add_row(str(entry.number), *cells, style=style)
    return made
