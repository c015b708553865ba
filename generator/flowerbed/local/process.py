"""A process of a local federation: one program, its process group, its log, its restarts."""

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
from flowerbed.local.state import ProcessStatus
from flowerbed.local.watchdog_process import signal_group

# Seconds, doubled with each restart until a process has run for long: as Kubernetes restarts containers, but
# sooner.
FIRST_RESTART_DELAY, LONGEST_RESTART_DELAY = 1.0, 30.0
STABLE_AFTER = 60.0
POLL_INTERVAL = 0.02
# What comes after its last occurrence in a log was printed since the process's last start.
START_LINE = b"=== started by flowerbed "


class ManagedProcess:
    """One program. `rank` orders the end, lowest first; `late` ones start when the SuperLink answers."""

    def __init__(self, command: Command, rank: int, log: Path, *, late: bool = False) -> None:
        self.command = command
        self.name = command.name
        self.rank = rank
        self.late = late
        self.log = log
        self.child: subprocess.Popen[bytes] | None = None
        self.restarts = -1
        self.exit_code: int | None = None
        self.due = 0.0
        self._restart_delay = FIRST_RESTART_DELAY
        self._started_at = 0.0

    def start(self, environment: Mapping[str, str]) -> int:
        """Start the program in a process group of its own; return the group. Raises LocalError."""
        with self.log.open("ab") as log:
            log.write(START_LINE + time.strftime("%Y-%m-%dT%H:%M:%S\n").encode())
            log.flush()
            try:
                self.child = subprocess.Popen(
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
        self._started_at = time.monotonic()
        return self.child.pid

    @property
    def running(self) -> bool:
        """Return whether the program runs, as far as `ended` has looked."""
        return self.child is not None

    def ended(self) -> bool:
        """Return whether the program has ended since it was last asked; it is then due for a restart."""
        if self.child is None or self.child.poll() is None:
            return False
        now = time.monotonic()
        if now - self._started_at > STABLE_AFTER:
            self._restart_delay = FIRST_RESTART_DELAY
        self.due = now + self._restart_delay
        self._restart_delay = min(LONGEST_RESTART_DELAY, 2 * self._restart_delay)
        self.exit_code = self.child.returncode
        self.child = None
        return True

    def status(self) -> ProcessStatus:
        """Return the process as the state shows it."""
        return ProcessStatus(
            name=self.name,
            state="running" if self.child else "waiting to restart",
            pid=self.child.pid if self.child else 0,
            restarts=max(0, self.restarts),
            log=str(self.log),
            exit_code=self.exit_code,
        )


def end_processes(
    processes: Iterable[ManagedProcess], grace: float, is_hurried: Callable[[], bool]
) -> list[int]:
    """End processes and all that is in their groups; return the groups.

    They are asked first, and killed after `grace` seconds or as soon as `is_hurried` is true.
    """
    groups = {process.child.pid: process.child for process in processes if process.child}
    for group in groups:
        signal_group(group, signal.SIGTERM)
    limit = time.monotonic() + grace
    left = dict(groups)
    while left and time.monotonic() < limit and not is_hurried():
        time.sleep(POLL_INTERVAL)
        left = {group: child for group, child in left.items() if _alive(group, child)}
    for group, child in left.items():
        signal_group(group, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(1.0)
    return list(groups)


def _alive(group: int, child: subprocess.Popen[bytes]) -> bool:
    child.poll()  # a zombie of ours would keep its group alive
    return signal_group(group, 0)


def tail(log: Path, lines: int = 12) -> str:
    """Return the last lines of a log, indented, "" when it is empty or missing."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16384))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    printed = [line for line in text.splitlines() if not line.startswith(START_LINE.decode())]
    return "\n".join(f"    {line}" for line in printed[-lines:])
