"""The lines that Flower writes each second while an app waits for nodes, shown as one line with a count."""

from __future__ import annotations

from .runs import plain

WAITING = "Waiting for nodes to connect: "  # flwr 1.41: serverapp/strategy/strategy_utils.py, one a second
MOST = 60  # repetitions after which the count is shown even though the line still repeats


class Repeats:
    """Shortens a log for display; what is kept of it stays whole."""

    def __init__(self) -> None:
        self._last = ""
        self._times = 0

    def shorten(self, text: str) -> str:
        """Return whole lines of a log without the repetitions of a waiting line, but with their number."""
        return "".join(map(self._line, text.splitlines(keepends=True)))

    def rest(self) -> str:
        """Return the number of repetitions that has not been shown yet, as a line, "" if there were none."""
        times, self._times = self._times, 0
        return f"  (the same line {times} more time{'s' * (times != 1)})\n" if times else ""

    def _line(self, line: str) -> str:
        words = plain(line)
        repeated = words.startswith(WAITING) and words == self._last
        self._last = words
        if not repeated:
            return self.rest() + line
        self._times += 1
        return self.rest() if self._times >= MOST else ""
