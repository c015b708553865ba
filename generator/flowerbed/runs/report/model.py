"""The report as plain data: the run, its rounds, who took part, and how long each stage took."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise
from typing import Literal

import msgspec

from flowerbed.flower.app_exceptions import RAISED, Raised, shortened
from flowerbed.flower.nodes import present
from flowerbed.flower.runs import plain
from flowerbed.flower.verdict import Known, remarks
from flowerbed.plan import Plan
from flowerbed.runs.metrics.log import LogReader
from flowerbed.runs.metrics.model import Metrics, Scalar
from flowerbed.runs.model import NodeRecord, RunRecord
from flowerbed.runs.report.figures import duration
from flowerbed.runs.report.participants import Participant, participants

LOG_END = 25


class TreeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The git working tree of an app's directory; its commit is the source's.

    `dirty`: whether the files that were sent differ from the commit, None if unknown. `diff`: the file in the
    record with the difference, "" without one. `problem`: what is missing, "" if nothing is.
    """

    branch: str = ""
    remote: str = ""
    dirty: bool | None = None
    diff: Literal["", "source.diff"] = ""
    problem: str = ""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was submitted with: versions ("" for what is not installed), platform, host name.

    `packages` has versions of installed packages by PEP 503 name; `packages_left_out` more were installed.
    """

    flowerbed: str = ""
    flower: str = ""
    python: str = ""
    platform: str = ""
    host: str = ""
    packages: dict[str, str] = {}
    packages_left_out: int = 0

    @property
    def versions(self) -> str:
        """Return the versions of Flowerbed, Flower and Python in words, those that are known."""
        known = {"Flowerbed": self.flowerbed, "Flower": self.flower, "Python": self.python}
        return ", ".join(f"{name} {version}" for name, version in known.items() if version)


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Where the app came from; what does not apply is "" (see `flower/source/request.py`).

    `tree` is the git working tree of a directory.
    """

    kind: str
    location: str
    ref: str = ""
    commit: str = ""
    path: str = ""
    sha256: str = ""
    tree: TreeRecord | None = None

    @property
    def revision(self) -> str:
        """Return the commit in short, with a mark where the app's files differed from it."""
        mark = " + changes" if self.tree and self.tree.dirty else ""
        return self.commit[:12] + mark


class Wait(msgspec.Struct, frozen=True):
    """A stage that the run went through: `seconds` is None while it lasts."""

    stage: str
    seconds: float | None


class Report(msgspec.Struct, frozen=True):
    """All that a page or a table shows. Equal input gives an equal report.

    `log_end` holds the last lines of a failed run's log, which say more than its reason; else nothing.
    `config` is the run config, of it `overrides` what was set for the run; without the submitter's record
    `config` is what the app told in its log with the overrides that the SuperLink has, and `source` is None.
    `name`, `tags`, `note`, `environment` and `command` are the submitter's, as in the record.
    `remarks` are sentences on the exception of a failed run, on failed and missing replies, and on figures
    that are not finite.
    """

    federation: str
    run: RunRecord
    stages: tuple[Wait, ...]
    metrics: Metrics
    nodes: tuple[Participant, ...]
    log_end: tuple[str, ...]
    source: SourceRecord | None
    config: dict[str, Scalar]
    overrides: dict[str, Scalar]
    remarks: tuple[str, ...] = ()
    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    environment: Environment | None = None
    command: tuple[str, ...] = ()


def build(run: RunRecord, log: str, nodes: Iterable[NodeRecord] = (), plan: Plan | None = None) -> Report:
    """Return a report of what the SuperLink knows (`run`, `log`, `nodes`) and of the plan, if at hand."""
    reader, listed = LogReader(), list(nodes)
    reader.feed(log)
    if run.outcome == "completed":  # a phase that another end cut short misses nothing
        reader.replies.end_phase()
    metrics = reader.finish()
    known = Known(
        nodes=present(listed, run.running_at, run.finished_at),
        silent=run.outcome == "completed" and run.bytes_sent > 0 and run.computing == 0,
    )
    names = {node.node_id: node.name for node in listed}
    tenants = {node.name: tenant.name for tenant in plan.tenants for node in tenant.nodes} if plan else {}
    return Report(
        federation=plan.name if plan else "",
        run=run,
        stages=_stages(run),
        metrics=metrics,
        nodes=tuple(participants(metrics, reader.replies, known.nodes, names, tenants)),
        log_end=log_end(run, log),
        source=None,
        config=metrics.config | run.overrides,
        overrides=run.overrides,
        remarks=(*_explained(run, reader.replies.raised), *remarks(reader.replies, known)),
    )


def _explained(run: RunRecord, raised: Raised) -> list[str]:
    """Return what the log adds to the SuperLink's reason for a failed run: one sentence, or none."""
    words = raised.explained(run.details) if run.outcome == "failed" else ""
    return [words.removeprefix(RAISED)] if words not in {"", shortened(run.details)} else []


def rounds_done(report: Report) -> int:
    """Return how many rounds have ended: the last one that began has not, while the training goes on."""
    metrics = report.metrics
    begun = sum(entry.number > 0 for entry in metrics.rounds)
    return rounds_ended(begun, metrics.planned, ended=metrics.ended or report.run.outcome == "completed")


def rounds_ended(begun: int, planned: int | None, *, ended: bool) -> int:
    """Return how many of the rounds that began are over; `ended`: the training is."""
    return begun if ended or planned is None else max(begun - 1, 0)


def rounds_in_words(report: Report) -> str:
    """Return `2 of 3`: how many rounds have ended, of those planned if that is known; "" without any."""
    planned = report.metrics.planned
    if not report.metrics.rounds:
        return ""
    return f"{rounds_done(report)} of {planned}" if planned else str(rounds_done(report))


def computing(report: Report) -> str:
    """Return `0.1 s of 6.4 s`: the seconds of all ClientApps together, of those that the run has run."""
    times = [wait.seconds for wait in report.stages if wait.stage == "running" and wait.seconds is not None]
    return f"{duration(report.run.computing)} of {duration(times[0])}" if times else ""


def log_end(run: RunRecord, log: str) -> tuple[str, ...]:
    """Return the last lines of a failed run's log, nothing of another's."""
    if run.outcome != "failed":
        return ()
    return tuple(plain(line).rstrip() for line in log.splitlines()[-LOG_END:])


def _stages(run: RunRecord) -> tuple[Wait, ...]:
    times = {
        "pending": run.pending_at,
        "starting": run.starting_at,
        "running": run.running_at,
        "finished": run.finished_at,
    }
    passed = [(stage, datetime.fromisoformat(time)) for stage, time in times.items() if time]
    waits = [Wait(stage, (end - begin).total_seconds()) for (stage, begin), (_, end) in pairwise(passed)]
    lasting = [Wait(stage, None) for stage, _ in passed[-1:] if stage != "finished"]
    return (*waits, *lasting)
