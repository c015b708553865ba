"""Whether nodes failed in a run: Flower calls a run completed when its ServerApp ends, whatever they replied.

Flower's strategies write one line a phase about it, and one a second while they wait for nodes (flwr 1.41:
serverapp/strategy, fedavg.py and strategy_utils.py). Of an app that sends and receives messages itself
nothing is known here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from .flower_run import COMPLETED, FAILED, Outcome, colourless
else:  # lying beside the program that runs
    from flower_run import COMPLETED, FAILED, Outcome, colourless

_PHASE = re.compile(r"aggregate_(?:train|evaluate): Received ([0-9]{1,9}) results and ([0-9]{1,9}) failures$")
_WAITING = re.compile(
    r"Waiting for nodes to connect: ([0-9]{1,9}) connected \(minimum required: ([0-9]{1,9})"
)
LONGEST_LINE = 4096  # characters; that of a strategy is far shorter


class Replies:
    """Counts, over all rounds, the replies that were results and those that were errors.

    `waiting` says for how many nodes the ServerApp waits; "" when its last word was another.
    """

    def __init__(self) -> None:
        self.results = self.failures = 0
        self.waiting = ""

    def hear(self, text: str) -> None:
        """Take whole lines of a run's log."""
        for line in text.splitlines():
            plain = colourless(line).rstrip() if len(line) <= LONGEST_LINE else ""
            if found := _PHASE.search(plain):
                self.results += int(found[1])
                self.failures += int(found[2])
            waits = _WAITING.search(plain)
            self.waiting = f"it waits for {waits[2]} nodes, and {waits[1]} are online" if waits else ""

    def judged(self, outcome: Outcome, *, strictly: bool) -> Outcome:
        """Return a run's outcome with a word on replies that failed.

        They make it exit code 1 when all did, since nothing was trained; `strictly`, when one did.
        """
        if outcome.exit_code != COMPLETED or not self.failures:
            return outcome
        total = self.results + self.failures
        count = f"{self.failures} of {total}" if self.results else f"all {total}"
        failed = strictly or not self.results
        reason = f"{count} replies of nodes failed; the log names them"
        return replace(outcome, reason=reason, exit_code=FAILED if failed else COMPLETED)
