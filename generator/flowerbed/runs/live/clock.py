"""Where a followed run is by now, and for how long: from its log and the SuperLink's record."""

from __future__ import annotations

import threading
import time

from flowerbed.flower.replies import Phase, Replies
from flowerbed.flower.verdict import WORDS
from flowerbed.runs.metrics.log import LogReader
from flowerbed.runs.metrics.model import Metrics


class Clock:
    """Where a run is and for how long: its status, its phase, and how many nodes have answered in that.

    Flower's log has the number of answers once all have come. Until then the SuperLink's count of seconds
    tells of answers: it grows with each, so the number of times it grew is the least that has come.
    """

    def __init__(self) -> None:
        self._began = self._since = time.monotonic()
        self._place: object = None
        self._computing: float | None = None
        self._grown = 0
        self.status = ""

    def enter(self, place: object) -> None:
        """Take where the run is by now; in another place than before the time and the answers begin anew."""
        if place != self._place:
            self._place, self._since = place, time.monotonic()
            self._computing, self._grown = None, 0

    def look(self, status: str, computing: float) -> None:
        """Take what the SuperLink knows: the run's status, its ClientApps' seconds."""
        self.status = status
        # The first look in a place may still find an answer of the one before.
        self._grown += self._computing is not None and computing > self._computing
        self._computing = computing

    def heading(self, metrics: Metrics, replies: Replies) -> str:
        """Return the line above the table."""
        total = f"{_minutes(self._began)} in all"
        if replies.waiting:
            return f"run {replies.waiting}: {_minutes(self._since)}, {total}"
        begun = sum(one.number > 0 for one in metrics.rounds)
        if not begun:
            return f"run is {self.status or 'starting'}: {total}"
        going = replies.round > 0 and not replies.ended
        title = f"rounds: {begun - going}" + (f" of {metrics.planned}" if metrics.planned else "")
        if not going:
            return f"{title}, {total}"
        return f"{title}; round {replies.round}{self._phase(replies)}, {_minutes(self._since)}, {total}"

    def _phase(self, replies: Replies) -> str:
        last = _phase_of(replies)
        if last is None:
            return ""
        if last.told:
            answered = f", {last.results} of {last.total} answered"
        elif self._grown and last.asked and not any(one.missing for one in replies.phases):
            answered = f", at least {min(self._grown, last.asked)} of {last.asked} answered"
        else:
            answered = f", {last.asked} nodes asked" if last.asked else ""
        return f": {WORDS[last.kind]}{answered}"


def _phase_of(replies: Replies) -> Phase | None:
    last = replies.phases[-1] if replies.phases else None
    return last if last and (last.training, last.round) == (replies.training, replies.round) else None


def _minutes(since: float) -> str:
    minutes, seconds = divmod(int(time.monotonic() - since), 60)
    return f"{minutes}:{seconds:02}"


class Progress:
    """A run's log and clock together; the log is read in another thread than the one that asks."""

    def __init__(self) -> None:
        self._reader = LogReader()
        self._clock = Clock()
        self._lock = threading.Lock()

    def hear(self, text: str) -> None:
        """Take whole lines of the log."""
        with self._lock:
            for line in text.splitlines():
                self._reader.feed(line)
                replies = self._reader.replies
                kind = replies.kind if _phase_of(replies) else ""
                self._clock.enter((replies.training, replies.round, kind, bool(replies.waiting)))

    def look(self, status: str, computing: float) -> None:
        """Take what the SuperLink knows: the run's status, its ClientApps' seconds."""
        with self._lock:
            self._clock.look(status, computing)

    def now(self) -> tuple[str, Metrics]:
        """Return a line that says where the run is, and all figures by now."""
        with self._lock:
            metrics = self._reader.finish()
            return self._clock.heading(metrics, self._reader.replies), metrics
