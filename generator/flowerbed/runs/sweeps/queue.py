"""The queue of a sweep: starts runs, at most some unfinished at a time, and notes how each ended.

`Runs` are those on a real SuperLink: started once each, with a record of each.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from flowerbed.errors import FlowerbedError, RefusedError, UnreachableError
from flowerbed.flower.app.app import App
from flowerbed.flower.app.fab import declaring
from flowerbed.flower.app.run_config import Scalar, overrides
from flowerbed.flower.client import FlowerClient
from flowerbed.flower.connection import Connection
from flowerbed.flower.idempotency import keyed, start_once, user_of
from flowerbed.flower.labels import Labels
from flowerbed.flower.recording import submission
from flowerbed.flower.runs import ENDS, FAILED, NO_RUN, TIMED_OUT, Outcome, passing, runs, stop
from flowerbed.flower.source.request import Source
from flowerbed.plan import Plan
from flowerbed.runs.records.capturing import begin, capture
from flowerbed.runs.records.labelling import relabel
from flowerbed.runs.records.reporting import outcome_of
from flowerbed.runs.records.store import load, load_log
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What is the same for all runs of a sweep; `config` is a TOML file, `command` the command line."""

    app: App
    source: Source
    config: Path | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    command: Sequence[str] = ()
    min_replies: float = 0.0
    patience: float = 300.0

    def of(self, settings: Sequence[str]) -> tuple[App, dict[str, Scalar]]:
        """Return the app of a run and what overrides its config."""
        app = self.app
        changed = overrides(
            app.defaults, self.config, settings, {key: read.default for key, read in app.reads.items()}
        )
        more = {key: value for key, value in changed.items() if key not in app.defaults}
        return (replace(app, fab=declaring(app.fab, more)) if more else app), changed


def given_up(root: Path, point: Point) -> None:
    """Let another run take a run's place: the record of the former one stays, without the name."""
    with contextlib.suppress(FlowerbedError):
        if load(root, point.run_id):
            relabel(root, point.run_id, name="")
    point.again()


class Runs:
    """Starts, looks at, stops and records the runs of a sweep (`Work`)."""

    def __init__(
        self,
        client: FlowerClient,
        sweep: Sweep,
        submitted: Submission,
        root: Path,
        tell: Callable[[str], None],
        plan: Plan | None = None,
    ) -> None:
        self._client, self._sweep, self._submitted = client, sweep, submitted
        self._root, self._tell, self._plan = root, tell, plan

    @property
    def _connection(self) -> Connection:
        return self._client.connection

    def start(self, point: Point) -> str:
        """Start a run, or find the one of the same key; begin its record."""
        began, shared = time.monotonic(), self._submitted
        app, changed = shared.of(point.settings)
        marked = keyed(app, self._sweep.key(point), user_of(self._connection), changed)
        run_id = start_once(self._client, marked, changed, shared.patience, self._tell).run_id
        told = Labels(name=point.name, tags=(self._sweep.name, *shared.tags), note=shared.note)
        made = submission(app, shared.source, changed, time.monotonic() - began, told, list(shared.command))
        try:
            begin(self._connection, run_id, self._root, made, self._plan)
        except FlowerbedError as error:
            self._tell(f"warning: no record of run {run_id}: {error}")
        return str(run_id)

    def look(self, point: Point) -> str:
        """Return where a run is."""
        try:
            return str(runs(self._client, int(point.run_id))[0].status.status)
        except RefusedError as error:
            if error.code != NO_RUN:
                raise
            return "unknown"

    def stop(self, point: Point) -> None:
        """Stop a run; one that has finished stays as it is."""
        stop(self._client, int(point.run_id))

    def end(self, point: Point) -> Outcome:
        """Complete the record of a run that has finished, and return its outcome."""
        try:
            record = capture(self._connection, point.run_id, self._root, plan=self._plan)
            return outcome_of(record, load_log(self._root, point.run_id), self._submitted.min_replies)
        except UnreachableError:
            raise
        except FlowerbedError as error:
            self._tell(f"warning: the record of run {point.run_id} is not complete: {error}")
        [run] = runs(self._client, int(point.run_id))
        word = run.status.sub_status
        return Outcome(
            run_id=point.run_id, status=word, reason=run.status.details, exit_code=ENDS.get(word, FAILED)
        )
