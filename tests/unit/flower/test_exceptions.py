"""Exceptions in the reason of a run: of a ServerApp by its traceback, of ClientApps by their replies."""

from __future__ import annotations

from dataclasses import replace
from traceback import format_exception_only

import pytest

from flowerbed.flower.replies import Replies
from flowerbed.flower.runs import Outcome, ReplyCounts
from flowerbed.flower.verdict import judged
from support.reply_logs import KNOWN, UNNAMED, info, phase, verdict

FAILING = Outcome(run_id="7", status="failed", reason="", exit_code=1)


def failed(details: str, log: str = "") -> Outcome:
    replies = Replies()
    replies.hear(log)
    return judged(replace(FAILING, reason=details), replies, KNOWN, 0.0)


def traceback(error: Exception, file: str = "/home/apps/lab.tiny.1.0.0.0a1b2c3d/tiny/server.py") -> str:
    """Return the lines that Flower logs when a ServerApp raises, as from line 37 of a file."""
    frames = f'Traceback (most recent call last):\n  File "{file}", line 37, in main\n    train()\n'
    raised = frames + "".join(format_exception_only(error))
    if isinstance(error, ExceptionGroup):
        raised = f"  | {frames}  | ExceptionGroup: {error}\n    | ValueError: a\n    +---\n"
    level = "\x1b[91mERROR \x1b[0m:     "
    return f"{level}ServerApp raised an exception\n{raised}{level}Exit Code: 201\n"


class OwnError(Exception):
    """An exception of an app's."""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("learning-rate"), "KeyError: 'learning-rate'"),
        (AssertionError(), "AssertionError"),
        (MemoryError(), "MemoryError"),
        (ModuleNotFoundError("No module named 'a.b'"), "ModuleNotFoundError: No module named 'a.b'"),
        (OwnError("no data"), f"{__name__}.OwnError: no data"),
        (ValueError("one\nTypeError: two"), "ValueError: one\nTypeError: two"),
        (ExceptionGroup("several", [ValueError("a")]), "ExceptionGroup: several (1 sub-exception)"),
        (
            SyntaxError("invalid syntax", ("server.py", 3, 1, "x y", 3, 2)),
            "SyntaxError: invalid syntax (server.py, line 3)",
        ),
        (ValueError("x" * 100_000), f"ValueError: {'x' * 499}…"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_exception_of_a_server_app(error: Exception, words: str) -> None:
    """The SuperLink has its text alone; the traceback in the log has the type and the app's line."""
    end = failed(f"ServerApp failed with exception: {error}", traceback(error))
    assert end.reason == f"ServerApp failed with exception: {words} (tiny/server.py, line 37)"
    assert end.exit_code == 1


def test_an_exception_without_its_traceback() -> None:
    """The SuperLink's words stay where the log has none, or another's, or no line of the app."""
    said = "ServerApp failed with exception: 'rate'"
    assert failed(said).reason == said
    assert failed(said, traceback(ValueError("else"))).reason == said
    assert failed(said, "KeyError: 'rate'\n").reason == said
    elsewhere = traceback(KeyError("rate"), "/usr/lib/python3/site-packages/flwr/app.py")
    assert failed(said, elsewhere).reason == "ServerApp failed with exception: KeyError: 'rate'"


def test_a_server_app_that_was_heard_of_no_more() -> None:
    """Flower's words come first, then what they mean."""
    reason = failed("No heartbeat received from the task").reason
    assert reason.startswith("No heartbeat received from the task: the process of the ServerApp ended")
    assert "by a signal" in failed("Task failed with unknown error.").reason


def test_replies_before_another_end() -> None:
    """What made a ServerApp fail is often that no node had a good reply; a phase cut short misses nothing."""
    log = phase(1, 2, 0, 2) + info("[ROUND 2/9]", "configure_train: Sampled 2 nodes (out of 2)")
    end = failed("no arrays", log)
    assert end.reason == f"no arrays; 2 of 4 replies of nodes failed{UNNAMED}"
    assert end.replies == ReplyCounts(asked=4, results=0, failures=2, missing=0)
    stopped = Outcome(run_id="7", status="stopped", reason="", exit_code=4)
    replies = Replies()
    replies.hear(phase(1, 2, 1, 0))
    assert judged(stopped, replies, KNOWN, 1.0).exit_code == 4
    going = Outcome(run_id="7", status="running", reason="not finished", exit_code=5)
    assert judged(going, replies, KNOWN, 1.0) == going


def test_the_text_of_an_exception_is_cut() -> None:
    """However long the line, the reason names the exception and the node."""
    log = phase(1, 2, 1, 1) + info(
        f"\t> Received error in reply from node 11: <class 'ValueError'>:<'{'x' * 200_000}'>"
    )
    assert verdict(log).reason == f"1 of 2 replies of nodes failed: ValueError: {'x' * 499}… on north-0"


def test_an_error_without_an_exception() -> None:
    """Flower's words, and what else is known of it."""
    log = phase(1, 2, 1, 1) + info("\t> Received error in reply from node 11: ClientApp stopped responding.")
    assert verdict(log).reason.endswith(
        "ClientApp stopped responding on north-0 (its process exited, was killed, ran out of memory or hung)"
    )


def test_a_module_that_is_not_installed_has_its_remedy() -> None:
    """Once, after all that failed for it; a part of a package that is there is another matter."""
    error = ModuleNotFoundError("No module named 'torch'")
    end = failed(f"ServerApp failed with exception: {error}", traceback(error))
    assert end.reason == (
        "ServerApp failed with exception: ModuleNotFoundError: No module named 'torch' (tiny/server.py, line "
        "37); torch is not installed where apps run: declare it in `images`, or use `submit --local --with "
        "PACKAGE`"
    )
