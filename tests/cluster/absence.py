"""How long a SuperLink was away, as its users see it, and what Flower's patience makes of that."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from followed_runs import Run, rounds_of, running, wait_until
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

    def judge(self, federation: Federation, run: Run, outcome: Mapping[str, object], nodes: int) -> str:
        """Assert that the run completed, and its last round was full; return its rounds as a table.

        If it ended before every node was back, the next run has to be full. After an absence that only a
        crowded machine makes so long, Flower may have given its task up instead.
        """
        if self.longest > SAFE and outcome["status"] == "failed":
            assert outcome["reason"] == GIVEN_UP, outcome
            return f"{rounds_of(run)}; given up: the SuperLink was away for {self.longest:.0f} s"
        assert outcome["status"] == "completed", (self, outcome)
        table = f"{rounds_of(run)}; away for at most {self.longest:.1f} s"
        return table if _last_is_full(run, nodes) else f"{table}; next run: {_full_run(federation, nodes)}"


def online(federation: Federation) -> int:
    """Return how many nodes the SuperLink sees online; none while it does not answer."""
    try:
        found = list_nodes(load_connection(federation.connection()))
    except FlowerbedError:
        return 0
    return sum(node.status == "online" for node in found)


def _last_is_full(run: Run, nodes: int) -> bool:
    return len(run.told("ROUND")[-1]["answered"]) == nodes  # type: ignore[arg-type]


def _full_run(federation: Federation, nodes: int) -> str:
    """Assert that a run is full once every node is back; return its rounds as a table."""
    wait_until("every node online", lambda: online(federation) == nodes, 120)
    with running(federation, rounds=1, work=1.0, nodes=nodes) as run:
        outcome = run.end()
    assert outcome["status"] == "completed", outcome
    assert _last_is_full(run, nodes), rounds_of(run)
    return rounds_of(run)


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
