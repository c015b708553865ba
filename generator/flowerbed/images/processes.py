"""The programs behind a build, run with their output on the way to a log and to whoever watches."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowerbed.errors import UsageError

Tell = Callable[[str], None]
_LAST_LINES = 400
_LINE = 64 * 1024  # characters of a line that are held at once
_STOP_TIMEOUT = 10.0


def discard(_: str) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class CompletedProcess:
    """How a program ended: its exit code and its last lines, both streams together."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the last lines as one text."""
        return "\n".join(self.lines)


def run(command: Sequence[str], *, log: Path | None = None, tell: Tell = discard) -> CompletedProcess:
    """Run a program to its end; every line goes to `tell` and is added to the file `log`.

    Interrupted, the program is ended as well, with what it started. Raises OSError when it cannot start.
    """
    lines: deque[str] = deque(maxlen=_LAST_LINES)
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(log.open("a", encoding="utf-8")) if log else None
        try:
            assert process.stdout is not None  # noqa: S101  (it is a pipe)
            output = stack.enter_context(process.stdout)
            while line := output.readline(_LINE):
                lines.append(line.rstrip())
                if file:
                    file.write(line)
                tell(line.rstrip())
            return CompletedProcess(process.wait(), tuple(lines))
        except BaseException:
            _end(process)
            raise


def _end(process: subprocess.Popen[str]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            continue
        return


def uv() -> str:
    """Return the path of uv, which flwr brings. Raises UsageError if it is not there."""
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        return find_program("uv", "locking packages", "pip install uv")


def find_program(name: str, purpose: str, remedy: str) -> str:
    """Return the path of a program. Raises UsageError that says what it is for if it is not there."""
    found = shutil.which(name)
    if not found:
        raise UsageError(f"{purpose} needs {name}, which is not installed", remedy=remedy)
    return found
