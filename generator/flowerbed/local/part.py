"""A part of a local federation: one program, its process group, its log, its restarts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from flowerbed.errors import LocalError
from flowerbed.local.commands import Command
from flowerbed.local.guardian import send
from flowerbed.local.state import PartRecord

# As Kubernetes restarts containers, only sooner: 1, 2, 4 ... seconds, and from 1 again after a good while.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
GOOD_WHILE = 60.0
STEP = 0.02
# What comes after its last occurrence in a log was said since the part's last start.
START_LINE = b"=== started by flowerbed "


class Part:
    """One program. `rank` orders the end, lowest first; `late` ones start when the SuperLink answers."""

    def __init__(self, command: Command, rank: int, log: Path, *, late: bool = False) -> None:
        self.command = command
        self.name = command.name
        self.rank = rank
        self.late = late
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self.restarts = -1
        self.exit_code: int | None = None
        self.due = 0.0
        self._pause = FIRST_PAUSE
        self._since = 0.0

    def start(self, environment: Mapping[str, str]) -> int:
        """Start the program in a process group of its own; return the group. Raises LocalError."""
        with self.log.open("ab") as log:
            log.write(START_LINE + time.strftime("%Y-%m-%dT%H:%M:%S\n").encode())
            log.flush()
            try:
                self.process = subprocess.Popen(
                    self.command.arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.command.folder,
                    env={**environment, **self.command.environment},
                    start_new_session=True,
                    umask=0o077,
                )
            except OSError as error:
                program = self.command.arguments[0]
                what = f"cannot start {program}: {error.strerror}"
                raise LocalError(what, remedy="is flwr installed beside flowerbed?") from None
        self.restarts += 1
        self._since = time.monotonic()
        return self.process.pid

    @property
    def running(self) -> bool:
        """Return whether the program runs, as far as `ended` has looked."""
        return self.process is not None

    def ended(self) -> bool:
        """Return whether the program has ended since it was last asked; it is then due for a restart."""
        if self.process is None or self.process.poll() is None:
            return False
        now = time.monotonic()
        if now - self._since > GOOD_WHILE:
            self._pause = FIRST_PAUSE
        self.due = now + self._pause
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)
        self.exit_code = self.process.returncode
        self.process = None
        return True

    def record(self) -> PartRecord:
        """Return the part as the record shows it."""
        return PartRecord(
            name=self.name,
            state="running" if self.process else "waiting to restart",
            pid=self.process.pid if self.process else 0,
            restarts=max(0, self.restarts),
            log=str(self.log),
            exit_code=self.exit_code,
        )


def end(parts: Iterable[Part], grace: float, hurried: Callable[[], bool]) -> list[int]:
    """End parts and all that is in their groups; return the groups.

    They are asked first, and killed after `grace` seconds or as soon as `hurried` says so.
    """
    groups = {part.process.pid: part.process for part in parts if part.process}
    for group in groups:
        send(group, signal.SIGTERM)
    limit = time.monotonic() + grace
    left = dict(groups)
    while left and time.monotonic() < limit and not hurried():
        time.sleep(STEP)
        left = {group: process for group, process in left.items() if _alive(group, process)}
    for group, process in left.items():
        send(group, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0)
    return list(groups)


def _alive(group: int, process: subprocess.Popen[bytes]) -> bool:
    process.poll()  # a zombie of ours would keep its group alive
    return send(group, 0)


def tail(log: Path, lines: int = 12) -> str:
    """Return the last lines of a log, indented, "" when it is empty or missing."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16384))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    said = [line for line in text.splitlines() if not line.startswith(START_LINE.decode())]
    return "\n".join(f"    {line}" for line in said[-lines:])
