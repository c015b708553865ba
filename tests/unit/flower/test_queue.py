"""The place of a run among those that wait, in words."""

from __future__ import annotations

import time
from types import SimpleNamespace as Made

import pytest

from flowerbed.flower import follow
from flowerbed.flower.follow import Queue


def run(run_id: int, status: str, pending_at: str = "") -> Made:
    """Return what the follower reads of Flower's message on a run."""
    return Made(run_id=run_id, status=Made(status=status), pending_at=pending_at or f"2026-01-0{run_id}")


OURS = run(3, "pending")


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ([], ""),
        ([run(1, "finished")], ""),
        ([run(1, "pending")], ""),  # nobody begins any run, which is told in another way
        ([run(1, "running")], "waits: 1 running"),
        ([run(1, "running"), run(2, "pending")], "waits: 1 run before it, 1 running"),
        ([run(1, "running"), run(2, "starting"), run(4, "pending")], "waits: 2 running"),
        ([run(2, "starting")], "waits: 1 running"),
        ([run(1, "running"), run(2, "pending"), run(4, "pending", "2026-01-02")],
         "waits: 2 runs before it, 1 running"),
    ],
)  # fmt: skip
def test_the_place(monkeypatch: pytest.MonkeyPatch, others: list[Made], said: str) -> None:
    """Only runs that were submitted before this one and have not begun are before it."""
    monkeypatch.setattr(follow, "runs", lambda *_, **__: [*others, OURS])
    queue = Queue()
    began = queue.stuck_since
    time.sleep(0.01)
    assert queue.look(None, OURS) == said  # type: ignore[arg-type]
    assert (queue.stuck_since > began) == bool(said)
    assert queue.look(None, OURS) == ""  # type: ignore[arg-type]


def test_it_is_said_again_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """And once each time."""
    now: list[Made] = []
    monkeypatch.setattr(follow, "runs", lambda *_, **__: [*now, OURS])
    queue = Queue()
    said = []
    for others in ([run(1, "running"), run(2, "pending")], [run(2, "running")], [run(2, "running")], []):
        now[:] = others
        said.append(queue.look(None, OURS))  # type: ignore[arg-type]
    assert said == ["waits: 1 run before it, 1 running", "waits: 1 running", "", ""]
