"""Whether nodes failed in a run: Flower calls a run completed when its ServerApp ends, whatever they replied.

Flower's strategies write one line a phase about it (flwr 1.41: serverapp/strategy/fedavg.py). Of an app that
sends and receives messages itself nothing is known here.
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
LONGEST_LINE = 4096  # characters; that of a strategy is far shorter


class Replies:
    """Counts, over all rounds, the replies that were results and those that were errors."""

    def __init__(self) -> None:
        self.results = self.failures = 0

    def hear(self, text: str) -> None:
        """Take whole lines of a run's log."""
        for line in text.splitlines():
            if len(line) <= LONGEST_LINE and (found := _PHASE.search(colourless(line).rstrip())):
                self.results += int(found[1])
                self.failures += int(found[2])

    def judged(self, outcome: Outcome, *, strictly: bool) -> Outcome:
        """Return a run's outcome with a word on replies that failed; `strictly`, they make it exit code 1."""
        if outcome.exit_code != COMPLETED or not self.failures:
            return outcome
        total = self.results + self.failures
        reason = f"{self.failures} of {total} replies of nodes failed; the log names them"
        return replace(outcome, reason=reason, exit_code=FAILED if strictly else COMPLETED)
