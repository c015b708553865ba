"""How a run ended, told from its record alone, in the words and with the exit code of following it."""

from __future__ import annotations

from pathlib import Path

from flowerbed.flower.nodes import Node
from flowerbed.flower.runs import ENDS, FAILED, Outcome
from flowerbed.flower.verdict import Known, judged
from flowerbed.runs.metrics import LogReader
from flowerbed.runs.records.model import Record
from flowerbed.runs.records.store import load, load_log


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
