"""The runs of a sweep on a real SuperLink: started once each, with a record of each."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flowerbed.errors import FlowerbedError, RefusedError, UnreachableError
from flowerbed.flower.app.app import App
from flowerbed.flower.app.fab import declaring
from flowerbed.flower.app.run_config import Scalar, overrides
from flowerbed.flower.client import FlowerClient
from flowerbed.flower.connection import Connection
from flowerbed.flower.idempotency import keyed, start_once, user_of
from flowerbed.flower.labels import Labels
from flowerbed.flower.recording import submission
from flowerbed.flower.runs import ENDS, FAILED, NO_RUN, Outcome, runs, stop
from flowerbed.flower.source.request import Source
from flowerbed.plan import Plan
from flowerbed.runs.records.capturing import begin, capture
from flowerbed.runs.records.labelling import relabel
from flowerbed.runs.records.reporting import outcome_of
from flowerbed.runs.records.store import load, load_log
from flowerbed.runs.sweeps.state import Point, Sweep


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
    """Starts, looks at, stops and records the runs of a sweep (`queue.Work`)."""

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
