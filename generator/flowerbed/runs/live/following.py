"""How a Python program follows a run: what is shown of it, and a thread that leaves the event loop free."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

from flowerbed.flower.figures import Number
from flowerbed.flower.runs import Outcome
from flowerbed.flower.watcher import Watcher
from flowerbed.runs.metrics.log import LogReader
from flowerbed.runs.metrics.model import rows

Row = dict[str, Number]
Follow = Callable[[Watcher], Outcome]


class _Left(Exception):  # noqa: N818  (nothing is wrong)
    """The caller no longer waits. `_Rows.look` raises it, since `follow` has no other way to stop early."""


class _Rows(Watcher):
    """Passes each finished round to a callback, once; stops following when `left` is set."""

    def __init__(self, hand_on: Callable[[Row], None], left: threading.Event) -> None:
        self._hand_on, self._left = hand_on, left
        self._reader = LogReader()
        self._lock = threading.Lock()
        self._given = 0

    def hear(self, text: str) -> None:
        """Take lines of the log."""
        with self._lock:
            self._reader.feed(text)

    def look(self, status: str, computing: float) -> None:  # noqa: ARG002
        """Pass on the rounds that are finished."""
        if self._left.is_set():
            raise _Left
        self._give(whole=False)

    def end(self, outcome: Outcome) -> None:  # noqa: ARG002
        """Pass on the remaining rounds."""
        self._give(whole=True)

    def _give(self, *, whole: bool) -> None:
        with self._lock:
            metrics = self._reader.finish()
        found = rows(metrics)
        # The figures of the last round may still come.
        for row in found[self._given : None if whole or metrics.ended else -1]:
            self._given += 1
            self._hand_on(row)


async def outcome(follow: Follow) -> Outcome:
    """Return a run's outcome. Cancelling it stops the thread within some seconds, not the run."""
    left = threading.Event()
    try:
        return await asyncio.to_thread(follow, _Rows(lambda _: None, left))
    finally:
        left.set()


async def rounds(follow: Follow) -> AsyncIterator[Row]:
    """Yield each round of a run as a row when it is finished; end when the run has ended."""
    loop, left = asyncio.get_running_loop(), threading.Event()
    queue: asyncio.Queue[Row | None] = asyncio.Queue()

    def hand_on(row: Row) -> None:
        loop.call_soon_threadsafe(queue.put_nowait, row)

    def over(done: asyncio.Task[Outcome]) -> None:
        if not done.cancelled():
            done.exception()  # retrieved, so that asyncio does not log it
        queue.put_nowait(None)

    task = asyncio.create_task(asyncio.to_thread(follow, _Rows(hand_on, left)))
    task.add_done_callback(over)
    try:
        while (row := await queue.get()) is not None:
            yield row
        task.result()
    finally:
        left.set()


def progress_of(progress: bool | None) -> tuple[Watcher, Callable[[str], None]]:
    """Return what shows a run while it is followed, and a function that takes lines of narration.

    None means in a notebook only, False nowhere, True wherever this process runs.
    """
    if progress is False:
        return Watcher(), _unheard
    from flowerbed.runs.live.notebook import NotebookTable, in_notebook

    if in_notebook():
        return NotebookTable(), _unheard
    if progress is None:
        return Watcher(), _unheard
    from flowerbed.flower.console import say
    from flowerbed.runs.live.terminal import RoundsTable, watcher

    found = watcher(plain=False)
    return found, _unheard if isinstance(found, RoundsTable) else say


def _unheard(_: str) -> None:
    """Take what nobody wants to hear."""
