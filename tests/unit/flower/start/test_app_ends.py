"""App processes that end suddenly: in words, told by whoever started them, answered for at their node."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flwr.app import Error, Message, RecordDict
from flwr.common.constant import SubStatus
from flwr.supercore.constant import TaskType
from flwr.supercore.object_store import ObjectStoreFactory
from flwr.supercore.task_identity import TaskIdentity
from flwr.supernode.nodestate import InMemoryNodeState

from flowerbed.flower.start import app_ends, hooks

RUN = 7


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "the process of the ClientApp ended with exit code 0"),
        (3, "the process of the ClientApp ended with exit code 3"),
        (-signal.SIGKILL, "the process of the ClientApp was ended by SIGKILL (as when memory runs out)"),
        (-signal.SIGSEGV, "the process of the ClientApp was ended by SIGSEGV"),
        (-200, "the process of the ClientApp was ended by signal 200"),
    ],
)
def test_an_end_in_words(code: int, words: str) -> None:
    """By the number that Popen gives."""
    assert app_ends.in_words("ClientApp", code) == words


@pytest.mark.parametrize(
    ("said", "program", "told"),
    [
        ("1", "flwr-clientapp", True),
        ("", "flwr-clientapp", False),
        ("12", "flwr-clientapp", False),
        ("2", "flwr-serverapp", False),
        ("1", "flwr-simulation", False),
    ],
)
def test_what_has_begun_is_told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    said: str,
    program: str,
    told: bool,
) -> None:
    """Flower starts again what ended before, and what was over has told its own outcome."""
    finished: list[list[str]] = []
    monkeypatch.setattr(app_ends, "_finish", lambda arguments, _: finished.append(arguments))
    end = app_ends.AppEnd()
    code = "import os, sys; os.write(int(sys.argv[1]), sys.argv[2].encode()); os._exit(3)"
    words = [sys.executable, "-c", code, str(end.descriptor), said]
    process = subprocess.Popen(words, pass_fds=(end.descriptor,))
    end.started([program, hooks.TOKEN, "abc"], process)
    process.wait()
    limit = time.monotonic() + 5
    while told and not finished and time.monotonic() < limit:
        time.sleep(0.01)
    assert finished == [[program, hooks.TOKEN, "abc"]] * told
    assert "abc" not in capsys.readouterr().err


def test_a_process_says_that_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the SuperLink or SuperNode has its outcome; never into a file that has the pipe's number now."""
    reading, writing = os.pipe()
    monkeypatch.setenv(app_ends.BEGUN, str(writing))
    runtime = importlib.import_module(hooks.CLIENTS)
    outputs: list[bytes] = []
    monkeypatch.setattr(runtime.RuntimeHttpClient, hooks.OUTPUT, lambda _, output: outputs.append(output))
    app = importlib.import_module(hooks.APPS["flwr-clientapp"])
    monkeypatch.setattr(app, hooks.BEGUN["flwr-clientapp"], lambda: None)
    app_ends.begin("flwr-clientapp")
    getattr(app, hooks.BEGUN["flwr-clientapp"])()
    assert os.read(reading, 9) == app_ends.HAS_BEGUN
    client = object.__new__(runtime.RuntimeHttpClient)
    client.PushTaskOutput(b"done")
    assert (os.read(reading, 9), outputs) == (app_ends.IS_OVER, [b"done"])
    own, other = os.pipe()
    os.dup2(other, writing)
    client.PushTaskOutput(b"again")
    os.close(other)
    os.close(writing)
    assert (os.read(own, 9), outputs) == (b"", [b"done", b"again"])
    os.close(own)
    os.close(reading)


def test_no_descriptor_is_left() -> None:
    """Also where a process could not be started."""
    before = sorted(Path("/proc/self/fd").iterdir())
    app_ends.AppEnd().started(["flwr-clientapp"], None)
    assert sorted(Path("/proc/self/fd").iterdir()) == before


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> InMemoryNodeState:
    """Return Flower's own state of a SuperNode, as our SuperNodes have it."""
    monkeypatch.setattr(InMemoryNodeState, hooks.FINISH, InMemoryNodeState.finish_task)
    for name, number in (("_run_id", RUN), ("_node_id", 1), ("_task_id", 5)):
        monkeypatch.setattr(TaskIdentity, name, number)
    app_ends.answer()
    return InMemoryNodeState(ObjectStoreFactory().store())


def asked(state: InMemoryNodeState, *, taken: bool = True) -> tuple[Message, int]:
    """Give the node a message and its ClientApp's task, which runs."""
    message = Message(RecordDict(), dst_node_id=1, message_type="train")
    message.metadata.__dict__.update(_message_id="m", _run_id=RUN, _src_node_id=2)
    state.store_message(message)
    state.record_message_processing_start("m")
    task = state.create_task(TaskType.CLIENT_APP, RUN)
    assert task is not None
    assert state.claim_task(task)
    assert state.activate_task(task)
    if taken:
        state.get_messages_legacy(run_ids=[RUN], is_reply=False)
    return message, task


def replies(state: InMemoryNodeState) -> list[Message]:
    return list(state.get_messages_legacy(is_reply=True))


def test_a_node_answers_for_its_client_app(state: InMemoryNodeState) -> None:
    """At once, with the cause; a second end of the same task changes nothing."""
    _, task = asked(state)
    assert replies(state) == []
    assert state.finish_task(task, SubStatus.FAILED, "ended by SIGKILL")
    [reply] = replies(state)
    assert reply.error.reason == "ended by SIGKILL"
    assert reply.metadata.reply_to_message_id == "m"
    assert not state.finish_task(task, SubStatus.FAILED, "again")
    assert replies(state) == []


@pytest.mark.parametrize("how", [SubStatus.COMPLETED, SubStatus.STOPPED])
def test_other_ends_are_not_answered_for(state: InMemoryNodeState, how: str) -> None:
    """Of a task that was completed or stopped the reply comes from elsewhere."""
    _, task = asked(state)
    assert state.finish_task(task, how, "")
    assert replies(state) == []


def test_a_reply_of_the_app_is_the_only_one(state: InMemoryNodeState) -> None:
    """What the ClientApp itself said of its exception stays."""
    message, task = asked(state)
    own = Message(Error(code=1, reason="no data"), reply_to=message)
    own.metadata.__dict__["_message_id"] = "own"
    state.store_message(own)
    assert state.finish_task(task, SubStatus.FAILED, "no data")
    assert [reply.error.reason for reply in replies(state)] == ["no data"]
