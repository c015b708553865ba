"""Each way that a run can end, for real: exit code, outcome, record; docs/outcomes.md says what was seen.

Run as a program, as `make generated` does, it tries all of them and writes the table anew.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from marked import replaced, table
from support.outcome_rows import tried
from support.outcome_trials import Seen
from support.paths import ROOT, writing

PAGE = ROOT / "docs" / "outcomes.md"
# Exit code, status, and the last word of the SuperLink, which its record has: "" while that is incomplete.
EXPECTED = {
    "all nodes reply": (0, "completed", "completed"),
    "the ServerApp comes to its end, without any round": (0, "completed", "completed"),
    "the strategy gives no figures": (0, "completed", "completed"),
    "the loss is not a number": (0, "completed", "completed"),
    "the loss is infinite": (0, "completed", "completed"),
    "the ServerApp raises": (1, "failed", "failed"),
    "the ServerApp raises without a text": (1, "failed", "failed"),
    "the ServerApp reads a key that does not exist": (1, "failed", "failed"),
    "the ServerApp recurses without end": (1, "failed", "failed"),
    "the exception of the ServerApp is very long": (1, "failed", "failed"),
    "the exception of the ServerApp has two lines": (1, "failed", "failed"),
    "the module of the ServerApp cannot be imported": (1, "failed", "failed"),
    "a reply lacks what the strategy averages by": (1, "failed", "failed"),
    "the ServerApp ends by os._exit": (1, "failed", "failed"),
    "the ServerApp ends by sys.exit": (1, "failed", "failed"),
    "the ServerApp ends by SIGKILL": (1, "failed", "failed"),
    "the ServerApp ends by SIGTERM": (1, "failed", "failed"),
    "the run config gets a value of another type": (2, "not-started", ""),
    "the ClientApp raises on one node of two": (0, "completed", "completed"),
    "the same, with `--require-all-replies`": (1, "completed", "completed"),
    "the ClientApp raises on all nodes": (1, "completed", "completed"),
    "the ClientApp of the only node raises an exception of its own": (1, "completed", "completed"),
    "the ClientApp of the only node runs out of memory in Python": (1, "completed", "completed"),
    "the ClientApp imports a module that no node has": (1, "completed", "completed"),
    "the module of the ClientApp cannot be imported": (1, "completed", "completed"),
    "the exception of a ClientApp is very long": (1, "completed", "completed"),
    "one node fails to evaluate": (0, "completed", "completed"),
    "all nodes fail to evaluate": (1, "completed", "completed"),
    "with the older API, the ClientApp raises on one node of two": (0, "completed", "completed"),
    "with the older API, the ClientApp raises on all nodes": (1, "completed", "completed"),
    "the ClientApp of one node of two ends by os._exit": (0, "completed", "completed"),
    "the ClientApp of one node of two ends by sys.exit": (0, "completed", "completed"),
    "the ClientApp of one node of two ends by SIGKILL": (0, "completed", "completed"),
    "the ClientApp of one node of two ends by SIGSEGV": (0, "completed", "completed"),
    "the ClientApp returns nothing": (1, "completed", "completed"),
    "a node is killed between two rounds": (0, "completed", "completed"),
    "one node of two does not reply within the time limit of a round": (0, "completed", "completed"),
    "the same, with `--min-replies 0.8`": (1, "completed", "completed"),
    "the same, with all replies required": (1, "completed", "completed"),
    "no node replies within the time limit of a round": (1, "completed", "completed"),
    "an app sends messages itself, and no node replies in time": (1, "completed", "completed"),
    "no node is online, with `--timeout 2s`": (5, "running", ""),
    "there are too few nodes for it, with `--timeout 4s`": (5, "running", ""),
    "its nodes are busy with another run, with `--timeout 2s`": (5, "running", ""),
    "the same run, followed by `flowerbed attach`": (0, "completed", "completed"),
    "nobody starts its ServerApp, with `--pending-timeout 2s`": (5, "pending", ""),
    "it takes longer than `--timeout 2s`": (5, "running", ""),
    "somebody else stops it": (4, "stopped", "stopped"),
    "somebody else stops it while it is pending": (4, "stopped", "stopped"),
    "SIGTERM": (130, "running", ""),
    "SIGTERM, with `--on-interrupt stop`": (130, "stopped", "stopped"),
    "Ctrl-C, with `--on-interrupt leave`": (130, "running", ""),
    "Ctrl-C, with `--on-interrupt stop`": (130, "stopped", "stopped"),
    "it is not followed: `--detach`": (0, "pending", ""),
    "the follower is killed, then `flowerbed attach`": (0, "completed", "completed"),
    "the SuperLink goes and comes back": (0, "completed", "completed"),
    "the SuperLink stays away, with `--unreachable-timeout 2s`": (3, "unknown", ""),
    "its certificate expires meanwhile, with `--unreachable-timeout 2s`": (3, "unknown", ""),
    "the SuperLink comes back without its database": (1, "unknown", ""),
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Seen]]:
    with tried(tmp_path_factory.mktemp("outcomes")) as found:
        yield found


@pytest.mark.parametrize("name", EXPECTED)
def test_an_outcome(seen: dict[str, Seen], name: str) -> None:
    """Exit code, status and record are those that this end has."""
    one = seen[name]
    assert (one.exit_code, one.status, one.word) == EXPECTED[name], one


def test_the_table_of_outcomes_is_true(seen: dict[str, Seen]) -> None:
    """What is written is what was seen, the reasons word for word."""
    assert set(seen) == set(EXPECTED)
    text = PAGE.read_text(encoding="utf-8")
    assert text == replaced(text, "outcomes", outcomes(seen)), writing(__file__)


def outcomes(seen: dict[str, Seen]) -> str:
    """Return the table."""
    rows = []
    for name in EXPECTED:
        one = seen[name]
        says = f"`{one.word or one.status}`{f': {cell(one.details)}' if one.details else ''}"
        rows.append(
            [name, says, one.replies or "–", one.figures or "–", str(one.exit_code), cell(one.reason)]
        )
    heads = ["what happens", "the SuperLink says", "replies", "figures", "exit code", "`reason`"]
    return table(heads, rows)


def cell(text: str) -> str:
    """Return text as it may stand in a table."""
    return text.strip().replace("|", "\\|").replace("\n", "<br>") or "–"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name, tried(Path(name)) as found:
        written = replaced(PAGE.read_text(encoding="utf-8"), "outcomes", outcomes(found))
    PAGE.write_text(written, encoding="utf-8")
