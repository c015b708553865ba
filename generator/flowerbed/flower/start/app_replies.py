"""What came back from nodes, told in the run's log at its end: added to Flower's ServerApp processes.

Flower's strategies write that down themselves, round by round. An app that sends messages itself writes what
it likes, and Flower calls its run completed even if every reply was an error (flwr 1.41). All of them send
and receive by one Grid, which is counted here; `replies.py` reads the lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from . import hooks

SERVERAPP = "flwr-serverapp"
MOST_FAILED = 100  # nodes that are named
LONGEST = 500  # characters of a reason


class Count:
    """How many messages went to nodes, what came back, and why nodes failed: the last reason of each."""

    def __init__(self) -> None:
        self.asked = self.good = self.failed = 0
        self.reasons: dict[int, str] = {}

    def pushing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return Flower's function that sends messages, counting those that were taken."""

        def push(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  (whatever Flower passes on)
            ids = list(original(*arguments, **named))
            self.asked += sum(one is not None for one in ids)
            return ids

        return push

    def pulling(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return Flower's function that gets replies, counting them."""

        def pull(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  (whatever Flower passes on)
            replies = list(original(*arguments, **named))
            self.take(replies)
            return replies

        return pull

    def take(self, replies: Iterable[Any]) -> None:
        """Count replies."""
        for reply in replies:
            if not reply.has_error():
                self.good += 1
                continue
            self.failed += 1
            node = reply.metadata.src_node_id
            if node in self.reasons or len(self.reasons) < MOST_FAILED:
                self.reasons[node] = " ".join(str(reply.error.reason).split())[:LONGEST]

    def tell(self) -> None:
        """Write what was counted, if anything was sent."""
        if not self.asked:
            return
        for node, reason in self.reasons.items():
            hooks.tell(f"node {node} failed: {reason}")
        missing = self.asked - self.good - self.failed
        counts = f"{self.good} good replies, {self.failed} failed, {max(0, missing)} missing"
        hooks.tell(f"{self.asked} messages to nodes: {counts}")


def count(program: str) -> None:
    """In a ServerApp's process: count what it sends and receives, and tell it at the end."""
    if program != SERVERAPP:
        return
    without = "replies of nodes are counted from Flower's log alone"
    names = [f"{hooks.GRID_CLASS}.{name}" for name in (hooks.PUSH, hooks.PULL)]
    module = hooks.module(hooks.GRID, *names, without=without)
    if module is None:
        return
    counted = Count()
    grid = getattr(module, hooks.GRID_CLASS)
    hooks.replace(grid, hooks.PUSH, counted.pushing)
    hooks.replace(grid, hooks.PULL, counted.pulling)
    hooks.once_begun(program, partial(_at_the_end, counted), without=without)


def _at_the_end(counted: Count, **_: Any) -> None:  # noqa: ANN401  (whatever Flower passes on)
    from flwr.supercore.exit import add_exit_handler

    add_exit_handler(counted.tell, run_before_force_exit=True)
