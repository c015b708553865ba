"""The report as plain data: the run, its rounds, who took part, and how long each stage took."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise

import msgspec

from flowerbed.metrics import Failure, Metrics, NodeFigures, Scalar, parse, plain
from flowerbed.plan import Plan
from flowerbed.runs import NodeRecord, RunRecord

LOG_END = 25


class SourceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Where the app came from; what does not apply is "" (see `scripts/flower_source.py`)."""

    kind: str
    location: str
    ref: str = ""
    commit: str = ""
    path: str = ""
    sha256: str = ""


class Participant(msgspec.Struct, frozen=True):
    """A node that took part, by what the app told of it or by an error of its own.

    `name` and `tenant` are "" where nobody knows them; `examples` is the number that it last told;
    `rounds` are those that it has told of, `failures` counts its errors.
    """

    node: str
    name: str
    tenant: str
    labels: dict[str, str]
    examples: int | None
    rounds: tuple[int, ...]
    failures: int


class Wait(msgspec.Struct, frozen=True):
    """A stage that the run went through: `seconds` is None while it lasts."""

    stage: str
    seconds: float | None


class Report(msgspec.Struct, frozen=True):
    """All that a page or a table shows. Equal input gives an equal report.

    `log_end` holds the last lines of a failed run's log, which say more than its reason; else nothing.
    `config` is the run config, of it `overrides` what the submitter changed; without the submitter's record
    `config` is what the app told in its log, `overrides` is empty and `source` None.
    """

    federation: str
    run: RunRecord
    stages: tuple[Wait, ...]
    metrics: Metrics
    participants: tuple[Participant, ...]
    log_end: tuple[str, ...]
    source: SourceRecord | None
    config: dict[str, Scalar]
    overrides: dict[str, Scalar]


def build(run: RunRecord, log: str, nodes: Iterable[NodeRecord] = (), plan: Plan | None = None) -> Report:
    """Return a report of what the SuperLink knows (`run`, `log`, `nodes`) and of the plan, if at hand."""
    metrics = parse(log)
    names = {node.node_id: node.name for node in nodes}
    tenants = {node.name: tenant.name for tenant in plan.tenants for node in tenant.nodes} if plan else {}
    return Report(
        federation=plan.name if plan else "",
        run=run,
        stages=_stages(run),
        metrics=metrics,
        participants=tuple(_participants(metrics, names, tenants)),
        log_end=log_end(run, log),
        source=None,
        config=metrics.config,
        overrides={},
    )


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


def _participants(metrics: Metrics, names: dict[str, str], tenants: dict[str, str]) -> list[Participant]:
    told: dict[str, list[NodeFigures]] = {}
    failed: dict[str, list[Failure]] = {}
    for figures in metrics.nodes:
        told.setdefault(figures.node, []).append(figures)
    for failure in metrics.failures:
        failed.setdefault(failure.node, []).append(failure)
    participants = []
    for node in told | failed:
        rounds = told.get(node, [])
        participants.append(
            Participant(
                node=node,
                name=names.get(node, ""),
                tenant=tenants.get(names.get(node, ""), ""),
                labels=rounds[-1].labels if rounds else {},
                examples=rounds[-1].examples if rounds else None,
                rounds=tuple(figures.round for figures in rounds),
                failures=len(failed.get(node, [])),
            )
        )
    order = {name: place for place, name in enumerate(tenants)}
    return sorted(participants, key=lambda one: (order.get(one.name, len(order)), one.name, one.node))
