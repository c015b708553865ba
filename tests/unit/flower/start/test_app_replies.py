"""What a ServerApp's process counts of the messages that it sends and the replies that it gets."""

from __future__ import annotations

import pytest
from flwr.app import Error, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.grid.http_grid import HttpGrid

from flowerbed.flower.replies import Replies
from flowerbed.flower.start import app_replies, hooks
from flowerbed.flower.start.app_replies import MOST_FAILED, Count


@pytest.fixture(autouse=True)
def _task(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, number in (("_run_id", 7), ("_node_id", 1), ("_task_id", 5)):
        monkeypatch.setattr(TaskIdentity, name, number)


def reply(node: int, reason: str = "") -> Message:
    asked = Message(RecordDict(), dst_node_id=node, message_type="train")
    asked.metadata.__dict__["_message_id"] = str(node)
    if reason:
        return Message(Error(code=1, reason=reason), reply_to=asked)
    return Message(RecordDict(), reply_to=asked)


def said(count: Count, capsys: pytest.CaptureFixture[str]) -> str:
    count.tell()
    return capsys.readouterr().err


def test_what_is_counted_is_told_and_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Replies that were good, failed and never came; a reason in one line, of bounded length."""
    count = Count()
    push = count.pushing(lambda messages: ["a", None, "b", "c"])
    pull = count.pulling(lambda ids: [reply(11), reply(12, "no\ndata " + "x" * 9000)])
    assert list(push([1, 2, 3, 4])) == ["a", None, "b", "c"]
    assert [one.has_error() for one in pull(["a"])] == [False, True]
    text = said(count, capsys)
    assert text.splitlines()[-1] == "flowerbed: 3 messages to nodes: 1 good replies, 1 failed, 1 missing"
    replies = Replies()
    replies.hear(text)
    [whole] = replies.counted()
    assert (whole.total, whole.results, whole.failures, whole.missing) == (3, 1, 1, 1)
    [(node, reason)] = whole.errors
    assert node == str(next(iter(count.reasons)))
    assert reason.startswith("no data xxx")
    assert len(reason) == app_replies.LONGEST


def test_many_nodes_are_not_all_named(capsys: pytest.CaptureFixture[str]) -> None:
    """They are all counted."""
    count = Count()
    count.asked = 3 * MOST_FAILED
    for node in range(2 * MOST_FAILED):
        count.take([reply(node + 2, "no data")])
    assert len(said(count, capsys).splitlines()) <= MOST_FAILED + 1
    assert count.failed == 2 * MOST_FAILED


def test_who_asks_nobody_is_told_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """An app that only computes has no line about replies."""
    assert said(Count(), capsys) == ""


def test_only_a_server_app_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its Grid, whose functions stay Flower's elsewhere."""
    for name in (hooks.PUSH, hooks.PULL):
        monkeypatch.setattr(HttpGrid, name, getattr(HttpGrid, name))
    before = HttpGrid.pull_messages
    app_replies.count("flwr-clientapp")
    assert HttpGrid.pull_messages is before
    monkeypatch.setattr(hooks, "once_begun", lambda *_, **__: True)
    app_replies.count("flwr-serverapp")
    assert HttpGrid.pull_messages is not before
