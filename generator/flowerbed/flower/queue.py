"""Which place a run has among those that wait: so many go on at once, and the oldest begins first."""

from __future__ import annotations

import time
from typing import Any

from .client import FlowerClient
from .runs import runs

MOST = 200  # runs, the newest ones, of which those that wait are counted
NOT_BEGUN, GOING = frozenset({"pending", "starting"}), frozenset({"starting", "running"})


class Queue:
    """The place of one run. `stuck_since`: since when no other run goes on, in monotonic seconds."""

    def __init__(self) -> None:
        self.stuck_since = time.monotonic()
        self._said = ""

    def look(self, client: FlowerClient, run: Any) -> str:  # noqa: ANN401  (Flower's message)
        """Return what to say of a run that has not begun, "" where nothing is new. Raises FlowerbedError."""
        others = [one for one in runs(client, limit=MOST) if one.run_id != run.run_id]
        going = sum(one.status.status in GOING for one in others)
        before = sum(one.status.status == "pending" and one.pending_at < run.pending_at for one in others)
        if going:
            self.stuck_since = time.monotonic()
        said = waiting(before, going) if going else ""
        new, self._said = (said if said != self._said else ""), said
        return new


def waiting(before: int, going: int) -> str:
    """Return the place of a run in words: `waits: 2 runs before it, 1 running`."""
    runs_before = f"{before} run{'s' * (before != 1)} before it, " if before else ""
    return f"waits: {runs_before}{going} running"
