"""Federations and runs as objects, for notebooks and programs: `flowerbed.Federation`, `flowerbed.Run`.

Every method raises the FlowerbedError kinds that the command line's verbs end with.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flowerbed import runs

if TYPE_CHECKING:
    from flowerbed.metrics import Metrics
    from flowerbed.plan import Plan
    from flowerbed.report import Report
    from flowerbed.runs import NodeRecord, RunRecord
    from flowerbed.scripts.flower_connection import Connection
    from flowerbed.scripts.flower_inline import Inline
    from flowerbed.scripts.flower_run import Outcome
    from flowerbed.scripts.flower_source import Request


@dataclass(frozen=True, slots=True)
class Federation:
    """A SuperLink that a user may talk to; `plan` is None for one that is known by its connection alone."""

    connection: Connection
    plan: Plan | None = field(default=None, repr=False)

    @classmethod
    def load(cls, path: Path | str, user: str | None = None) -> Federation:
        """Return the federation of a connection.toml, or the one that runs here from a federation.yaml.

        `user` names a declared user of a local federation; by default the first who may submit.
        Raises UsageError, DeclarationError, or LocalError where no local federation runs.
        """
        file = Path(path)
        if file.suffix == ".toml":
            return cls(runs.load_connection(file))
        from flowerbed.declaration import load_plan
        from flowerbed.local import connection_file, state_of

        plan = load_plan(file)
        found = connection_file(state_of(file, plan.name).path, user)
        return cls(runs.load_connection(found), plan)

    def submit(
        self,
        app: Path | str | Inline | Request,
        *,
        settings: Mapping[str, bool | float | str] | None = None,
        config: Path | None = None,
        key: str | None = None,
    ) -> Run:
        """Start a run of an app and return it at once.

        `app` is a path or an address (docs/sources.md), pieces of code, or a request that says more.
        `settings` override the TOML file `config`, which overrides the app's own run config. The same `key`,
        app and run config give the same run again.
        """
        pairs = [f"{name}={_literal(value)}" for name, value in (settings or {}).items()]
        return self.run(runs.submit(self.connection, app, settings=pairs, config=config, key=key))

    def run(self, run_id: str) -> Run:
        """Return a run by its id, which is looked up at its first use."""
        return Run(self, run_id)

    def runs(self, limit: int | None = None) -> list[Run]:
        """Return the latest runs, newest first; without `limit` as many as Flower gives (20)."""
        return [Run(self, record.run_id) for record in runs.list_runs(self.connection, limit)]

    def nodes(self) -> list[NodeRecord]:
        """Return all SuperNodes that were ever registered, by name."""
        return runs.list_nodes(self.connection)

    def compare(self, *compared: Run) -> str:
        """Return runs side by side, with their curves over one another, as one HTML page."""
        from flowerbed.report import compare, render_comparison_page

        return render_comparison_page(compare(run.figures() for run in compared))

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the address and the latest runs."""
        rows = [(run.run_id, run.status) for run in self.runs(limit=10)]
        return _table(f"Federation at {self.connection.address}", [("run", "status"), *rows])


@dataclass(frozen=True, slots=True)
class Run:
    """A run of an app. What it says is asked of the SuperLink each time."""

    federation: Federation = field(repr=False)
    run_id: str

    @property
    def record(self) -> RunRecord:
        """Return the SuperLink's record: status, reason, times, app."""
        return runs.get_run(self.federation.connection, self.run_id)

    @property
    def status(self) -> str:
        """Return how the run ended (completed, failed, stopped), else where it is (pending, running...)."""
        return self.record.outcome

    @property
    def metrics(self) -> Metrics:
        """Return what the log says of rounds and nodes by now."""
        from flowerbed.metrics import parse

        return parse(self.logs())

    def wait(self, timeout: float | None = None, *, unreachable_timeout: float = 300.0) -> Outcome:
        """Follow the run to its end and return its outcome: status, reason, exit code.

        A run that failed is no error: look at `exit_code`, which is 0 for one that completed. It is 5 after
        `timeout` seconds, and 3 once the SuperLink was away for `unreachable_timeout` seconds; the run itself
        goes on.
        """
        from flowerbed.scripts.flower_follow import SILENTLY

        how = replace(SILENTLY, timeout=timeout, unreachable_timeout=unreachable_timeout)
        return runs.follow(self.federation.connection, self.run_id, how)

    def logs(self) -> str:
        """Return the log by now."""
        return runs.read_log(self.federation.connection, self.run_id)

    def stop(self) -> bool:
        """Stop the run; False if it had finished before."""
        return runs.stop(self.federation.connection, self.run_id)

    def artifacts(self) -> dict[str, bytes]:
        """Return the files that the app gave by now, by name; damaged ones are left out."""
        from flowerbed.records import artifacts

        return {one.name: one.data for one in artifacts(self.logs()) if one.data is not None}

    def report(self) -> str:
        """Return the report as one HTML page."""
        from flowerbed.report import render_page

        found, log = self._seen()
        return render_page(found, log)

    def figures(self) -> Report:
        """Return what the report shows, as data."""
        return self._seen()[0]

    def _seen(self) -> tuple[Report, str]:
        from flowerbed.report import build

        record, log = runs.run_and_log(self.federation.connection, self.run_id)
        return build(record, log, self.federation.nodes(), self.federation.plan), log

    def _repr_html_(self) -> str:
        """Return what a notebook shows: outcome and the last figures."""
        record, rounds = self.record, self.metrics.rounds
        figures = rounds[-1].server | rounds[-1].evaluate if rounds else {}
        rows = [("app", record.fab_id), ("status", record.outcome), ("rounds", str(len(rounds)))]
        rows += [("reason", record.details)] * bool(record.details)
        return _table(
            f"Run {self.run_id}", [*rows, *((name, f"{value:g}") for name, value in figures.items())]
        )


def _literal(value: bool | float | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    body = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows
    )
    return f"<table><caption>{html.escape(title)}</caption>{body}</table>"
