"""Federations and runs as objects, for notebooks and programs: `flowerbed.Federation`, `flowerbed.Run`.

Every method raises the FlowerbedError kinds that the command line's verbs end with.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowerbed.project import Project
from flowerbed.runs import control, submission
from flowerbed.runs.python_words import in_python, pairs

if TYPE_CHECKING:
    from flowerbed.flower.connection import Connection
    from flowerbed.flower.figures import Number
    from flowerbed.flower.options import FollowOptions
    from flowerbed.flower.runs import Outcome
    from flowerbed.flower.source.inline import Inline
    from flowerbed.flower.source.request import Request
    from flowerbed.flower.watcher import Watcher
    from flowerbed.plan import Plan
    from flowerbed.runs.metrics.model import Metrics, Scalar
    from flowerbed.runs.model import NodeRecord, RunRecord
    from flowerbed.runs.records.model import Record
    from flowerbed.runs.report.model import Report


@dataclass(frozen=True, slots=True, repr=False)
class Federation:
    """A SuperLink that a user may talk to; `plan` is None for one that is known by its connection alone.

    Runs are recorded in the folder `records`.
    """

    connection: Connection
    plan: Plan | None = None
    records: Path = Path("runs")

    @classmethod
    def load(cls, path: Path | str, user: str | None = None) -> Federation:
        """Return the federation of a connection.toml, or the one that runs here from a federation.yaml.

        `user` names a declared user of a local federation; by default the first who may submit.
        Raises UsageError, DeclarationError, or LocalError where no local federation runs.
        """
        file = Path(path)
        if file.suffix == ".toml":
            return cls(control.load_connection(file))
        from flowerbed.declaration import load_plan
        from flowerbed.local import StateDirectory

        plan = load_plan(file)
        connection = StateDirectory.of(file, plan.name).connection_file(user)
        return cls(control.load_connection(connection), plan, Project(file).records)

    def submit(
        self,
        app: Path | str | Inline | Request,
        *,
        settings: Mapping[str, bool | float | str] | None = None,
        config: Path | None = None,
        key: str | None = None,
        name: str | None = None,
        tags: Iterable[str] = (),
        note: str | None = None,
        fix: bool = False,
    ) -> Run:
        """Start a run of an app, begin its record, and return it at once.

        `app` is a path or an address (docs/reference/sources.md), pieces of code, or a request that says
        more. `settings` override the TOML file `config`, which overrides the app's own run config. The same
        `key`, app and run config give the same run again. `name`, `tags` and `note` are kept in the record.
        With `fix`, an app that Flower would refuse is submitted as a corrected copy; a warning has the diff.
        Raises UsageError with every problem of the app or of a setting, before anything is sent.
        """
        from flowerbed.runs.records.capturing import Keeper

        with in_python():
            keeper = Keeper(self.connection, self.records, self.plan, name, tags, note)
            run_id = submission.submit(
                self.connection,
                app,
                settings=pairs(settings),
                config=config,
                key=key,
                started=keeper.started,
                fix=_warn if fix else None,
            )
        return Run(self, run_id)

    @in_python()
    def run(self, run: str) -> Run:
        """Return a run by its id, the beginning of one, its name, `latest` or `latest~2`.

        Raises UsageError for what means no run or several. A whole id is looked up at its first use.
        """
        from flowerbed.runs.records.selecting import run_of

        return Run(self, run_of(run, self.records, lambda: self.connection))

    def runs(self, limit: int | None = None) -> list[Run]:
        """Return the latest runs, newest first; without `limit` as many as Flower gives (20)."""
        return [Run(self, record.run_id) for record in control.list_runs(self.connection, limit)]

    def nodes(self) -> list[NodeRecord]:
        """Return all SuperNodes that were ever registered, by name."""
        return control.list_nodes(self.connection)

    def compare(self, *compared: Run) -> str:
        """Return runs side by side, with their curves over one another, as one HTML page."""
        from flowerbed.runs.report.comparison import compare
        from flowerbed.runs.report.comparison_view import render_comparison_page

        return render_comparison_page(compare(run.figures() for run in compared))

    def __repr__(self) -> str:
        return f"<Federation {f'{self.plan.name} ' if self.plan else ''}at {self.connection.address}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the address and the latest runs."""
        from flowerbed.runs.live.notebook import table

        rows = [(run.run_id, run.status) for run in self.runs(limit=10)]
        return table(f"Federation at {self.connection.address}", [("run", "status"), *rows])


@dataclass(frozen=True, slots=True)
class Run:
    """A run of an app. What it says is asked of the SuperLink each time, until its record is complete."""

    federation: Federation = field(repr=False)
    run_id: str

    @property
    @in_python()
    def record(self) -> RunRecord:
        """Return the SuperLink's record: status, reason, times, app."""
        return control.get_run(self.federation.connection, self.run_id)

    @property
    def status(self) -> str:
        """Return how the run ended (completed, failed, stopped), else where it is (pending, running...)."""
        return self.record.outcome

    @property
    def config(self) -> dict[str, Scalar]:
        """Return the run config as far as it is known: what was set for this run, whoever submitted it.

        Flower keeps no defaults of an app; those that the app prints in its log are here as well
        (docs/how-to/report.md).
        """
        return self.figures().config

    @property
    def overrides(self) -> dict[str, Scalar]:
        """Return what was set of the run config for this run, as the SuperLink knows it."""
        return self.record.overrides

    @property
    def metrics(self) -> Metrics:
        """Return what the log says of rounds and nodes by now."""
        from flowerbed.runs.metrics.log import parse

        return parse(self.logs())

    @property
    def rounds(self) -> list[dict[str, Number]]:
        """Return the rounds by now as flat rows, for `pandas.DataFrame(run.rounds)`.

        Keys: `round`, `train.NAME`, `evaluate.NAME`, `server.NAME`, `replies.train.missing` and the like.
        """
        from flowerbed.runs.metrics.model import rows

        return rows(self.metrics)

    @in_python()
    def retry(self, *, resume: bool = False, settings: Mapping[str, bool | float | str] | None = None) -> Run:
        """Start a run of the same app with the same settings, from this one's record; return it at once.

        With `resume` it begins with the files that this run left. `settings` are set beside those.
        Raises UsageError where the record is not here or, with `resume`, not complete.
        """
        from flowerbed.runs.records.again import submit_again

        where = self.federation
        told = (where.connection, where.records, where.plan, self.run_id, pairs(settings))
        return Run(where, submit_again(*told, resume=resume))

    def wait(
        self,
        timeout: float | None = None,
        *,
        progress: bool | None = None,
        unreachable_timeout: float = 300.0,
        min_replies: float = 0.0,
    ) -> Outcome:
        """Follow the run to its end and return its outcome: status, reason, exit code.

        A run that failed is no error: look at `exit_code`. It is 0 for a run that completed with at least the
        share `min_replies` (0 to 1) of good replies in each phase of a round, 5 after `timeout` seconds, and
        3 once the SuperLink was away for `unreachable_timeout` seconds; the run itself goes on.
        With `progress`, the rounds are shown meanwhile in a notebook or on a terminal; elsewhere each change
        of the run's status is a line on stderr. None shows them in a notebook only.
        """
        from flowerbed.flower.options import FollowOptions
        from flowerbed.runs.live.following import progress_of

        watcher, say = progress_of(progress)
        how = FollowOptions(
            say=say,
            timeout=timeout,
            unreachable_timeout=unreachable_timeout,
            min_replies=min_replies,
        )
        return self._followed(watcher, how)

    def __await__(self) -> Generator[Any, None, Outcome]:
        """Return the outcome as `wait` does, in a thread. Cancelling stops the following, not the run."""
        from flowerbed.runs.live.following import outcome

        return outcome(self._followed).__await__()

    def __aiter__(self) -> AsyncIterator[dict[str, Number]]:
        """Return the rounds as rows, each when it is finished: `async for row in run`."""
        from flowerbed.runs.live.following import rounds

        return rounds(self._followed)

    def _followed(self, watcher: Watcher, how: FollowOptions | None = None) -> Outcome:
        from flowerbed.flower.options import FollowOptions
        from flowerbed.flower.runs import ENDS
        from flowerbed.local.node_logs import client_errors

        said = partial(client_errors, self.federation.connection)
        how = replace(how or FollowOptions(), log=watcher.hear, look=watcher.look, node_errors=said)
        with in_python(), watcher:
            outcome = submission.follow(self.federation.connection, self.run_id, how)
        watcher.end(outcome)
        if outcome.status in ENDS:
            from flowerbed.runs.records.capturing import completed

            one = self.federation
            completed(one.connection, one.records, one.plan, self.run_id)
        return outcome

    @in_python()
    def logs(self) -> str:
        """Return the log by now."""
        kept = self._ended()
        return kept[1] if kept else control.read_log(self.federation.connection, self.run_id)

    @in_python()
    def stop(self) -> bool:
        """Stop the run; False if it had finished before."""
        return control.stop(self.federation.connection, self.run_id)

    def artifacts(self) -> dict[str, bytes]:
        """Return the files that the app gave by now, by name; damaged ones are left out."""
        from flowerbed.flower.artifacts import artifacts
        from flowerbed.runs.records.run_files import read_files

        if kept := self._ended():
            return read_files(self.federation.records, kept[0])
        return {one.name: one.data for one in artifacts(self.logs()) if one.data is not None}

    def report(self) -> str:
        """Return the report as one HTML page."""
        from flowerbed.runs.report.page import render_page

        return render_page(*self._seen())

    def figures(self) -> Report:
        """Return what the report shows, as data."""
        return self._seen()[0]

    @in_python()
    def _seen(self) -> tuple[Report, str]:
        from flowerbed.runs.records.reporting import recorded

        one = self.federation
        return recorded(one.records, self.run_id, lambda: one.connection, one.plan, _warn)

    def _ended(self) -> tuple[Record, str] | None:
        from flowerbed.runs.records.reporting import ended

        return ended(self.federation.records, self.run_id)

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the outcome, what was set, and the rounds with their curves."""
        from flowerbed.runs.live.notebook import run_page

        return run_page(self.record, self.metrics)


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=5)  # where Federation.submit is called
