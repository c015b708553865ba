"""What the log says of nodes' replies, and what becomes of a completed run by it."""

from __future__ import annotations

import pytest

from flowerbed.scripts.flower_replies import Replies
from flowerbed.scripts.flower_run import Outcome

COMPLETED = Outcome(run_id="7", status="completed", reason="", exit_code=0)
ROUND = "\x1b[92mINFO \x1b[0m:      aggregate_{}: Received {} results and {} failures\n"


@pytest.mark.parametrize(
    ("log", "strictly", "reason", "code"),
    [
        (ROUND.format("train", 2, 0) + ROUND.format("evaluate", 2, 0), True, "", 0),
        (ROUND.format("train", 1, 1) + ROUND.format("evaluate", 2, 0), False, "1 of 4 replies", 0),
        (ROUND.format("train", 1, 1), True, "1 of 2 replies", 1),
        (ROUND.format("train", 0, 2), False, "all 2 replies", 1),
        ("aggregate_train: Received many results and 3 failures\n", True, "", 0),
    ],
    ids=["all", "one", "strictly", "none", "an app's own words"],
)
def test_failed_replies(log: str, strictly: bool, reason: str, code: int) -> None:
    """A completed run says how many replies failed; only when asked to, or when all did, is it a failure."""
    replies = Replies()
    replies.hear(log)
    judged = replies.judged(COMPLETED, strictly=strictly)
    assert (judged.status, judged.exit_code) == ("completed", code)
    assert judged.reason.startswith(reason)
    assert bool(judged.reason) == bool(reason)


def test_another_end_stays() -> None:
    """A run that failed keeps its own reason."""
    replies = Replies()
    replies.hear(ROUND.format("train", 0, 2))
    failed = Outcome(run_id="7", status="failed", reason="no data", exit_code=1)
    assert replies.judged(failed, strictly=True) == failed


def test_waiting_for_nodes() -> None:
    """It is known that a ServerApp waits for nodes, until it says something else."""
    replies = Replies()
    replies.hear("INFO :      Waiting for nodes to connect: 2 connected (minimum required: 3).\n")
    assert replies.waiting == "it waits for 3 nodes, and 2 are online"
    replies.hear("INFO :      configure_train: Sampled 3 nodes (out of 3)\n")
    assert replies.waiting == ""
