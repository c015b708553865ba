"""The supervisor's end of the watchdog, which ends what the supervisor leaves."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from flowerbed.local import watchdog_process

# It takes two steps at most: the grace period of processes, and killing what is marked.
_END_TIMEOUT = watchdog_process.GRACE_PERIOD + watchdog_process.KILL_TIMEOUT + 1.0


class Watchdog:
    """A watchdog process that knows the process groups of one federation."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._process = self._start()

    def add(self, group: int) -> None:
        """Name a group that must not outlive the supervisor."""
        self._write(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Name a group that has ended: its number may come again."""
        self._write(f"-{group}\n")

    def ensure(self, groups: Iterable[int]) -> None:
        """Start another watchdog if somebody ended this one."""
        if self._process.poll() is not None:
            self.close()
            self._process = self._start()
            for group in groups:
                self.add(group)

    def close(self) -> None:
        """Let the watchdog end whatever is left, and wait for that."""
        assert self._process.stdin is not None  # noqa: S101  (it is a pipe)
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_TIMEOUT)

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-I", "-S", str(Path(watchdog_process.__file__)), self._mark]
        # Its output goes nowhere: the supervisor's terminal or pipe may be gone when it has its work to do.
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
            cwd="/",
        )

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101  (it is a pipe)
        with contextlib.suppress(OSError):  # a watchdog that has gone is replaced by `ensure`
            self._process.stdin.write(line)
            self._process.stdin.flush()
