"""How long a SuperLink was away, as its users see it, and what Flower's patience makes of that."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from followed_runs import Run, rounds_of
from parties import Federation

from flowerbed.errors import FlowerbedError
from flowerbed.runs import list_nodes, load_connection

# A task is given up 60 s after its last heartbeat (flwr 1.41), which may be 23 s old when the SuperLink goes.
SAFE = 30.0
GIVEN_UP = "No heartbeat received from the task"


@dataclass(slots=True)
class Absence:
    """The longest time, in seconds, that passed between two answers."""

    longest: float = 0.0
    _last: float = field(default_factory=time.monotonic)

    def answered(self) -> None:
        """Note an answer."""
        now = time.monotonic()
        self.longest, self._last = max(self.longest, now - self._last), now

    def judge(self, run: Run, outcome: Mapping[str, object], nodes: int) -> str:
        """Assert that the run completed with a full last round; return its rounds as a table.

        After an absence that only a crowded machine makes so long, Flower may have given its task up instead.
        """
        if self.longest > SAFE and outcome["status"] == "failed":
            assert outcome["reason"] == GIVEN_UP, outcome
            return f"{rounds_of(run)}; given up: the SuperLink was away for {self.longest:.0f} s"
        assert outcome["status"] == "completed", (self, outcome)
        assert len(run.told("ROUND")[-1]["answered"]) == nodes  # type: ignore[arg-type]
        return f"{rounds_of(run)}; away for at most {self.longest:.1f} s"


@contextmanager
def absence(federation: Federation) -> Iterator[Absence]:
    """Ask the SuperLink for its nodes twice a second until the end."""
    noted, over = Absence(), threading.Event()

    def ask() -> None:
        connection = load_connection(federation.connection())
        while not over.wait(0.5):
            try:
                list_nodes(connection)
            except FlowerbedError:
                continue
            noted.answered()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield noted
    finally:
        over.set()
        thread.join(60)
