"""Logs of runs as Flower writes them, for the tests of replies and exceptions."""

from __future__ import annotations

from flowerbed.flower.nodes import Node
from flowerbed.flower.replies import Replies
from flowerbed.flower.runs import Outcome
from flowerbed.flower.verdict import Known, judged

COMPLETED = Outcome(run_id="7", status="completed", reason="", exit_code=0)
NODES = (Node("11", "north-0", online=True), Node("22", "west-0", online=True))
KNOWN = Known(nodes=NODES)
UNNAMED = "; the logs of the nodes say why"  # of an error that the run's log does not have


def info(*lines: str) -> str:
    return "".join(f"\x1b[92mINFO \x1b[0m:      {line}\n" for line in lines)


def begun(strategy: str = "FedAvg") -> str:
    return info(f"Starting {strategy} strategy:")


def phase(number: int, asked: int, results: int, failures: int, kind: str = "train") -> str:
    """Return the lines of a phase; of one in which nobody replied Flower writes the first alone."""
    head = [f"[ROUND {number}/9]"] if kind == "train" else []
    told = f"aggregate_{kind}: Received {results} results and {failures} failures"
    asking = f"configure_{kind}: Sampled {asked} nodes (out of {asked})"
    return info(*head, asking, *([told] if results + failures else []))


def verdict(log: str, least: float = 0.0, known: Known = KNOWN) -> Outcome:
    replies = Replies()
    replies.hear(log)
    return judged(COMPLETED, replies, known, least)
