"""Each way that a run can end, for real: exit code, outcome, record; docs/outcomes.md says what was seen.

`python tests/local/test_outcomes.py` tries all of them and writes the table anew.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_helpers import ROOT
from outcome_rows import Seen, tried

sys.path.append(str(ROOT / "tools"))
from marked import replaced, table

PAGE = ROOT / "docs" / "outcomes.md"
# Exit code, status, and how the record says that the run ended: "" while it is incomplete.
EXPECTED = {
    "the ServerApp comes to its end": (0, "completed", "completed"),
    "the ServerApp raises": (1, "failed", "failed"),
    "the ClientApp raises on one node of two": (0, "completed", "completed"),
    "the same, with `--require-all-replies`": (1, "completed", "completed"),
    "the ClientApp raises on all nodes": (1, "completed", "completed"),
    "there are too few nodes for it, with `--timeout 4s`": (5, "running", ""),
    "nobody starts its ServerApp, with `--pending-timeout 2s`": (5, "pending", ""),
    "it takes longer than `--timeout 2s`": (5, "running", ""),
    "somebody else stops it": (4, "stopped", "stopped"),
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
    assert (one.exit_code, one.status, one.record) == EXPECTED[name], one


def test_the_table_of_outcomes_is_true(seen: dict[str, Seen]) -> None:
    """What is written is what was seen, the reasons word for word."""
    assert set(seen) == set(EXPECTED)
    text = PAGE.read_text(encoding="utf-8")
    assert text == replaced(text, "outcomes", outcomes(seen)), f"run {Path(__file__).relative_to(ROOT)}"


def outcomes(seen: dict[str, Seen]) -> str:
    """Return the table."""
    rows = []
    for name in EXPECTED:
        one = seen[name]
        why = ", the same reason" if one.record_reason == one.reason else f": {one.record_reason}"
        record = f"`{one.record}`{why if one.record_reason else ''}" if one.record else "incomplete"
        rows.append([name, str(one.exit_code), f"`{one.status}`", one.reason or "–", record])
    return table(["what happens", "exit code", "`status`", "`reason`", "record"], rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name, tried(Path(name)) as found:
        written = replaced(PAGE.read_text(encoding="utf-8"), "outcomes", outcomes(found))
    PAGE.write_text(written, encoding="utf-8")
