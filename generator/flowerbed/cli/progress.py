"""Progress of several parties at once: a line each that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from flowerbed.cli.common import narrate
from flowerbed.flower.text import screened

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table


class Progress:
    """Shows what each party does now. Commands ("$ ...") stay, one a line, so that they can be copied."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._now: dict[str, str] = {}
        self._lock = threading.Lock()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(self._table(), console=Console(stderr=True), refresh_per_second=4)
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.__exit__(kind, error, trace)

    def tell(self, party: str, text: str) -> None:
        """Show what a party does now; said again it is not shown again."""
        text = screened(text, colors=False)
        with self._lock:
            if text.startswith("$ "):
                self._print(text)
                return
            if self._now.get(party) == text:
                return
            self._now[party] = text
            if self._live:
                self._live.update(self._table())
            else:
                self._print(f"[{time.monotonic() - self._began:3.0f} s] {party}: {text}")

    def _print(self, text: str) -> None:
        if self._live:
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            narrate(text)

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for party, text in self._now.items():
            table.add_row(Text(party), Text(text))
        return table
