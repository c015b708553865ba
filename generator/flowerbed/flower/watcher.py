"""Who watches a run while it is followed: for instance a record on disk, or a table on a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from .runs import Outcome


class Watcher:
    """Does nothing; others override what they need. It is entered for the time of following."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show nothing more: whoever interrupted may be asked something now."""

    def hear(self, text: str) -> None:
        """Take whole lines of the run's log, in a thread of the follower's. Must not raise."""

    def look(self, status: str, computing: float) -> None:
        """Take the run's status and the seconds that its ClientApps took by now. Must not raise.

        The SuperLink adds to these seconds with each reply of a node (flwr 1.41: fleet_handlers.py).
        """

    def end(self, outcome: Outcome) -> None:
        """Take the outcome, of an attempt that started no run as well. Must not raise."""
