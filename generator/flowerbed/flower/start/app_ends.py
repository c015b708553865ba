"""The sudden end of an app process is told at once, with its cause: added to SuperExec and SuperNode.

Flower learns of a process that was killed, crashed or left by `os._exit` when its heartbeats have stayed away
for 60 seconds, and then knows no cause (flwr 1.41). Here the SuperExec, which started the process, sees it
end and finishes its task with the signal or exit code, unless the process says that its outcome was taken.
A SuperNode then answers the message in the ClientApp's place, as Flower does after those 60 seconds.

A process that ends before its task has begun is left to Flower, which starts it once more.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from . import hooks

BEGUN = "FLOWERBED_BEGUN"  # the descriptor on which an app process says that its task has begun, and is over
HAS_BEGUN, IS_OVER = b"1", b"2"
NAMES = {"flwr-serverapp": "ServerApp", "flwr-clientapp": "ClientApp"}
WITHOUT = "the sudden end of this app is known after 60 s"


class Process(Protocol):
    """A process that was started: `subprocess.Popen`, or one that was forked (warm.py)."""

    def wait(self) -> int:
        """Wait for its end and return its exit code, the negated number of the signal that ended it."""

    def poll(self) -> int | None:
        """Return that code, None while it runs."""


class AppEnd:
    """In a SuperExec: the end of one app process, from before its start."""

    def __init__(self) -> None:
        self._begun, self.descriptor = os.pipe()

    def started(self, arguments: Sequence[str], process: Process | None) -> None:
        """Watch the process that has been started with Flower's `arguments`; None where it has not."""
        os.close(self.descriptor)
        if process is None or arguments[0] not in NAMES:
            os.close(self._begun)
            return
        threading.Thread(target=self._watch, args=(list(arguments), process), daemon=True).start()

    def _watch(self, arguments: list[str], process: Process) -> None:
        code = process.wait()
        said = os.read(self._begun, 2)  # all who could write are gone
        os.close(self._begun)
        if said == HAS_BEGUN:
            words = in_words(NAMES[arguments[0]], code)
            with contextlib.suppress(Exception):  # whoever would hear of it is away
                _finish(arguments, words)
                hooks.tell(words)


def in_words(name: str, code: int) -> str:
    """Return how the process of an app ended, `code` being that of Popen."""
    if code >= 0:
        return f"the process of the {name} ended with exit code {code}"
    try:
        ended = signal.Signals(-code).name
    except ValueError:
        ended = f"signal {-code}"
    memory = " (as when memory runs out)" if -code == signal.SIGKILL else ""
    return f"the process of the {name} was ended by {ended}{memory}"


def _finish(arguments: list[str], words: str) -> None:
    """Finish a task in the place of its process. Raises httpx.HTTPError if it is over already."""
    client = hooks.runtime_client(
        arguments[0],
        address=_after(arguments, hooks.ADDRESS) or "",
        token=_after(arguments, hooks.TOKEN) or "",
        certificates=_after(arguments, hooks.CERTIFICATES),
    )
    try:
        hooks.fail(client, words)
    finally:
        client.close()


def _after(arguments: list[str], option: str) -> str | None:
    return arguments[arguments.index(option) + 1] if option in arguments else None


def begin(program: str) -> None:
    """In an app process: say that its task has begun, once it has, and that it is over, once it is."""
    if not (text := os.environ.pop(BEGUN, "")):
        return
    descriptor = int(text)
    os.set_inheritable(descriptor, False)
    say = partial(_say, descriptor, os.fstat(descriptor).st_ino)
    if hooks.once_begun(program, partial(say, HAS_BEGUN), without=WITHOUT):
        hooks.once_over(partial(say, IS_OVER), without="the end of each app is reported twice")
    else:
        os.close(descriptor)


def _say(descriptor: int, pipe: int, what: bytes, **_: Any) -> None:  # noqa: ANN401  (whatever Flower passes on)
    with contextlib.suppress(OSError):
        if os.fstat(descriptor).st_ino == pipe:  # an app may close all descriptors, and open others
            os.write(descriptor, what)


def answer() -> None:
    """In a SuperNode: answer for a ClientApp whose task has failed and that has sent no reply."""
    without = "ClientApps that end suddenly are answered for after 60 s"
    names = [f"{hooks.STATE_CLASS}.{name}" for name in (hooks.FINISH, hooks.STORE_ERRORS)]
    module = hooks.module(hooks.NODE_STATE, *names, without=without)
    if module is None:
        return

    def finishing(original: Callable[..., bool]) -> Callable[..., bool]:
        def finish(state: Any, task_id: int, sub_status: str, details: str) -> bool:  # noqa: ANN401  (Flower's)
            finished = original(state, task_id, sub_status, details)
            if finished and sub_status == hooks.TASK_FAILED:
                hooks.answer_for(state, task_id, details)
            return finished

        return finish

    hooks.replace(getattr(module, hooks.STATE_CLASS), hooks.FINISH, finishing)
