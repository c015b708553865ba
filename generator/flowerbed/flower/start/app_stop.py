"""A run that was stopped ends at its nodes too: added to Flower's SuperNode and to its app processes.

Flower's `stop` marks a run in the SuperLink. A ServerApp or ClientApp that computes goes on all the same, and
its node is busy for as long (flwr 1.41: a SuperNode waits for the reply; a heartbeat that is refused ends the
thread of the heartbeats alone). Here a SuperNode that waits for a reply asks its SuperLink whether the run
goes on. If it does not, it ends the task of its ClientApp, whose heartbeats are then refused; and an app
process whose heartbeat is refused ends itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from . import hooks

ASK = 4.0  # seconds between two questions of a SuperNode that waits
# Flower waits (interval - 5) x (0.7 to 0.9) between two heartbeats, 18 to 22 s in place of 3.5 to 4.5 here.
HEARTBEAT = 10
GRACE = 10.0  # seconds that an app has to end itself
NO_OBJECT = "0" * 64  # an id that no object has: only the answer on the run is of use
REFUSED = (401, 403)
STOPPED = "the run was stopped"
ended = threading.Event()  # in an app process whose run was stopped


def watch_app(program: str) -> None:
    """In an app process: end it once its heartbeats are refused."""
    without = "this app keeps running when its run is stopped"
    module = hooks.module(hooks.APPS[program], hooks.HEARTBEAT, without=without)
    beats = hooks.module(
        hooks.HEARTBEAT_MODULE,
        hooks.HEARTBEAT_INTERVAL,
        without="a stop is heard after some 20 s",
    )
    if module is not None:
        hooks.replace(module, hooks.HEARTBEAT, _heard)
    if beats is not None:
        setattr(beats, hooks.HEARTBEAT_INTERVAL, HEARTBEAT)


def _heard(original: Callable[..., Callable[[], bool]]) -> Callable[..., Callable[[], bool]]:
    def make(*arguments: Any, **named: Any) -> Callable[[], bool]:  # noqa: ANN401  (whatever Flower passes on)
        import httpx

        beat = original(*arguments, **named)

        def once() -> bool:
            try:
                return beat()
            except httpx.HTTPStatusError as error:
                if error.response.status_code in REFUSED:
                    end()
                raise

        return once

    return make


def end() -> None:
    """End this process, by Flower's own handler if it comes to that, and else at once."""
    ended.set()
    hooks.tell(f"{STOPPED}, so this app ends")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(128 + signal.SIGTERM)


class Work:
    """What a SuperNode computes: the message that it waits for a reply to."""

    def __init__(self, module: Any) -> None:  # noqa: ANN401  (Flower's)
        self._module = module
        self._received: Any = None
        self._given: dict[str, Any] = {}

    def receiving(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return Flower's function that gets a message, noting what comes."""

        def receive(**named: Any) -> Any:  # noqa: ANN401  (whatever Flower passes on)
            ask = named["receive"]

            def noted() -> Any:  # noqa: ANN401  (Flower's)
                answer = ask()
                self._received = answer[0] if answer else None
                return answer

            self._given = named
            return original(**{**named, "receive": noted})

        return receive

    def sending(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return Flower's function that waits for a reply and sends it, asking after the run meanwhile."""

        def send(**named: Any) -> Any:  # noqa: ANN401  (whatever Flower passes on)
            over = threading.Event()
            threading.Thread(target=self._ask, args=(over, self._received), daemon=True).start()
            try:
                return original(**named)
            finally:
                over.set()

        return send

    def _ask(self, over: threading.Event, message: Any) -> None:  # noqa: ANN401  (Flower's)
        from flwr.supercore.run import RunNotRunningException

        while not over.wait(ASK):
            try:
                # What else it raises: no such object, so the run goes on; or no answer, so it asks again.
                with contextlib.suppress(Exception):
                    self._given["pull_object"](message.metadata.run_id, NO_OBJECT)
            except RunNotRunningException:  # a BaseException (flwr 1.41)
                if not over.is_set():
                    self._give_up(message)
                return

    def _give_up(self, message: Any) -> None:  # noqa: ANN401  (Flower's)
        from flwr.app import Error, Message
        from flwr.common.constant import ErrorCode, SubStatus

        state, run_id = self._given["state"], message.metadata.run_id
        hooks.tell(f"run {run_id} was stopped: its ClientApp ends")
        for task in state.get_tasks(run_ids=[run_id]):
            state.finish_task(task.task_id, SubStatus.STOPPED, STOPPED)
        reply = Message(Error(code=ErrorCode.UNKNOWN, reason=STOPPED), reply_to=message)
        self._module._insert_message(reply, state, self._given["object_store"])


def watch_node() -> None:
    """In a SuperNode: give up what it computes for a run that was stopped."""
    names = (hooks.RECEIVE, hooks.SEND, hooks.INSERT)
    without = "ClientApps keep running when their run is stopped"
    if (module := hooks.module(hooks.SUPERNODE, *names, without=without)) is not None:
        work = Work(module)
        hooks.replace(module, hooks.RECEIVE, work.receiving)
        hooks.replace(module, hooks.SEND, work.sending)
