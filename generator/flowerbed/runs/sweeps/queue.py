"""The queue of a sweep: starts runs, at most some unfinished at a time, and notes how each ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from flowerbed.errors import FlowerbedError, UnreachableError
from flowerbed.flower.runs import TIMED_OUT, Outcome, passing
from flowerbed.runs.sweeps.state import Point, Sweep

POLL = 1.0  # seconds between two looks


class Work(Protocol):
    """What the queue asks of a federation. Each may raise FlowerbedError or FlowerbedError."""

    def start(self, point: Point) -> str:
        """Start a run, or find the one that was started before; return its id."""

    def look(self, point: Point) -> str:
        """Return where the run is: pending, starting, running, finished; "unknown" if nobody knows it."""

    def stop(self, point: Point) -> None:
        """Stop the run."""

    def end(self, point: Point) -> Outcome:
        """Complete the record of a run that has finished, and return its outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many runs may be unfinished; seconds that a run may run, and that the SuperLink may be away."""

    parallel: int = 1
    timeout: float | None = None
    patience: float = 300.0


class Queue:
    """Works a sweep off; every change is saved before the next one."""

    def __init__(
        self,
        sweep: Sweep,
        work: Work,
        limits: Limits,
        save: Callable[[], None],
        tell: Callable[[str], None],
    ) -> None:
        self._sweep, self._work, self._limits = sweep, work, limits
        self._save, self._tell = save, tell
        self._running: dict[str, float] = {}  # since when, by run id
        self._late: set[str] = set()
        self._away: float | None = None
        self.began = time.monotonic()

    @property
    def going(self) -> list[Point]:
        """Return the runs that are started and have not ended."""
        return [point for point in self._sweep.points if point.run_id and point.exit_code is None]

    @property
    def waiting(self) -> list[Point]:
        """Return the runs that are not started yet."""
        return [point for point in self._sweep.points if not point.run_id and point.exit_code is None]

    def seconds(self, point: Point) -> float | None:
        """Return for how long a run has been seen running; None before that."""
        since = self._running.get(point.run_id)
        return None if since is None else time.monotonic() - since

    def run(self) -> None:
        """Return when all runs have ended. Raises what `step` does."""
        while self.step():
            time.sleep(POLL)

    def step(self) -> bool:
        """Look at each run, start the next ones, and return whether any are left.

        Raises FlowerbedError or FlowerbedError, of a SuperLink that is away only after its time.
        """
        try:
            for point in self.going:
                self._look(point)
            while self.waiting and len(self.going) < self._limits.parallel:
                self._start(self.waiting[0])
        except (FlowerbedError, UnreachableError) as error:
            if not (isinstance(error, UnreachableError) or passing(error)):
                raise
            self._missed(error)
        else:
            if self._away is not None:
                self._tell("the SuperLink answers again")
            self._away = None
        return bool(self.going or self.waiting)

    def _missed(self, error: FlowerbedError | UnreachableError) -> None:
        now = time.monotonic()
        if self._away is None:
            self._away = now
            self._tell(f"{error.what}; trying again for up to {self._limits.patience:g} s")
        if now - self._away > self._limits.patience:
            raise error

    def _start(self, point: Point) -> None:
        point.run_id = self._work.start(point)
        self._save()
        self._tell(f"{point.name} ({', '.join(point.settings)}): run {point.run_id}")

    def _look(self, point: Point) -> None:
        before, status = point.status, self._work.look(point)
        if status == "unknown":
            reason = "the SuperLink no longer knows the run"
            self._ended(point, Outcome(run_id=point.run_id, status=status, reason=reason, exit_code=1))
        elif status == "finished":
            self._ended(point, self._timed(point, self._work.end(point)))
        else:
            point.status = status
            if status == "running":
                self._running.setdefault(point.run_id, time.monotonic())
            took, limit = self.seconds(point), self._limits.timeout
            if limit is not None and took is not None and took >= limit and point.run_id not in self._late:
                self._work.stop(point)
                self._late.add(point.run_id)
            if status != before:
                self._save()

    def _timed(self, point: Point, outcome: Outcome) -> Outcome:
        if point.run_id not in self._late or outcome.status != "stopped":
            return outcome
        reason = f"not finished after {self._limits.timeout:g} s; the run was stopped"
        return Outcome(run_id=point.run_id, status="stopped", reason=reason, exit_code=TIMED_OUT)

    def _ended(self, point: Point, outcome: Outcome) -> None:
        point.end(outcome)
        self._save()
        reason = f": {outcome.reason}" if outcome.reason else ""
        ended = sum(one.exit_code is not None for one in self._sweep.points)
        self._tell(f"{point.name}: {outcome.status}{reason} ({ended} of {len(self._sweep.points)})")
