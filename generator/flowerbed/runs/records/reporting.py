"""Reports and outcomes from records: a complete record needs no SuperLink, others are completed first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flowerbed.errors import FlowerbedError
from flowerbed.flower.connection import Connection
from flowerbed.flower.nodes import Node
from flowerbed.flower.runs import ENDS, FAILED, Outcome
from flowerbed.flower.verdict import Known, judged
from flowerbed.plan import Plan
from flowerbed.runs.metrics.log import LogReader
from flowerbed.runs.records.capturing import handed_in, look
from flowerbed.runs.records.model import Record
from flowerbed.runs.records.store import load, load_log, save
from flowerbed.runs.report.model import Report, log_end


def recorded(
    root: Path,
    run_id: str,
    connect: Callable[[], Connection],
    plan: Plan | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> tuple[Report, str]:
    """Return a run's report and its log, from the record in `root` if that is complete.

    Else the SuperLink at `connect()` is asked, and the record written; that it cannot be is told to `warn`.
    Raises UnreachableError, NotAllowedError, UsageError where nobody knows the run.
    """
    before = load(root, run_id)
    if before and before.complete:
        log = load_log(root, run_id)
        return report_of(before, log), log
    seen = look(connect(), run_id, before, submitted=handed_in(root, run_id), plan=plan)
    try:
        save(root, seen.record, seen.log, seen.files)
    except FlowerbedError as error:
        warn(f"no record of the run: {error}")
    return report_of(seen.record, seen.log), seen.log


def kept(root: Path, run_id: str) -> Report | None:
    """Return a run's report from its record as it is, complete or not; None where there is none.

    Raises UsageError for a damaged record.
    """
    record = load(root, run_id)
    return report_of(record, load_log(root, run_id)) if record else None


def report_of(record: Record, log: str) -> Report:
    """Return the report of what a record holds."""
    return Report(
        federation=record.federation,
        run=record.run,
        stages=record.phases,
        metrics=record.metrics,
        nodes=record.nodes,
        log_end=log_end(record.run, log),
        source=record.source,
        config=record.config,
        overrides=record.overrides,
        remarks=record.remarks,
        name=record.name,
        tags=record.tags,
        note=record.note,
        environment=record.environment,
        command=record.command,
    )


def ended(root: Path, run_id: str) -> tuple[Record, str] | None:
    """Return the record of a run that has ended, with its log; None where it is missing or not complete.

    Raises UsageError for a damaged one.
    """
    record = load(root, run_id)
    return (record, load_log(root, run_id)) if record and record.complete else None


def outcome_of(record: Record, log: str, min_replies: float = 0.0) -> Outcome:
    """Return how a run ended; `min_replies` is the share of good replies that each phase needs (0 to 1)."""
    run, reader = record.run, LogReader()
    reader.feed(log)
    reader.finish()
    nodes = tuple(Node(node_id=one.node, name=one.name, online=None) for one in record.nodes)
    asked = run.bytes_sent > 0
    silent = run.outcome == "completed" and asked and run.computing == 0
    known = Known(nodes=nodes, silent=silent, asked=asked)
    outcome = Outcome(
        run_id=run.run_id,
        status=run.outcome,
        reason=run.details,
        exit_code=ENDS.get(run.sub_status, FAILED),
    )
    return judged(outcome, reader.replies, known, min_replies)
