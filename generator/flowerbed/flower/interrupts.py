"""Interruptions from outside: Ctrl-C, and the SIGTERM of a Job that is deleted."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

REPEATS = 1.0  # seconds within which a second signal is the first one seen again


@contextlib.contextmanager
def interruptions() -> Iterator[None]:
    """Let SIGTERM (a Job that is deleted) do what Ctrl-C does, and take the same signal twice for one.

    A terminal, a Makefile or `timeout` may well send it to the whole group and to this process. So the
    handler stays once a signal has come: the second may arrive when all is said.
    """
    last = -REPEATS

    def interrupt(number: int, _: object) -> None:
        nonlocal last
        last, before = time.monotonic(), last
        if last - before >= REPEATS:
            raise KeyboardInterrupt(number)

    in_main = threading.current_thread() is threading.main_thread()
    caught = (signal.SIGINT, signal.SIGTERM) if in_main else ()
    # What nohup or a shell's `&` has us ignore stays ignored.
    former = {number: signal.getsignal(number) for number in caught}
    former = {number: handler for number, handler in former.items() if handler is not signal.SIG_IGN}
    for number in former:
        signal.signal(number, interrupt)
    yield
    for number, handler in former.items():
        if last < 0:
            signal.signal(number, handler)


def ignore_interruptions() -> None:
    """Ignore further signals: Python would die from a late one while it ends, and the exit code be lost."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
