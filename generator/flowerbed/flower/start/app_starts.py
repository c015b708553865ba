"""How many app processes start at once, and how many runs go on at once: added to Flower's SuperExec.

Each process that is started is watched to its end (app_ends.py).

Flower's SuperExec starts a process for each task as it comes. A task that has not begun within 30 s is taken
for lost and is started once more, beside the first (flwr 1.41: SqlCoreState.claim_task), so that a machine on
which many start at once may never get done. Here a task is taken only while one of a few places is free: a
lock on a file in the folder FLOWERBED_STARTS, which a process holds from its start until its task has begun.
All SuperExecs with the same folder share the places, of which there are as many as CPUs.

FLOWERBED_MAX_RUNS limits how many ServerApps this SuperExec runs at once; other runs wait, the oldest first.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from . import app_ends, hooks
from .app_ends import Process

STARTS, MAX_RUNS = "FLOWERBED_STARTS", "FLOWERBED_MAX_RUNS"
PLACE = "FLOWERBED_START_PLACE"  # the descriptor that a started process holds its place by
SERVERAPP = "flwr-serverapp"
LONGEST = 30.0  # seconds that a place counts: by then Flower has given the task up
PATIENCE = (
    15.0  # seconds that a task which was taken waits for a place that another SuperExec was faster to take
)
PAUSE = 0.1
SMALLEST = 2  # places: one start waits for the network while another one computes
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # in version 2 of control groups


class Places:
    """The places of a folder for processes that start."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._files = [folder / str(number) for number in range(count)]

    def take(self) -> int | None:
        """Return the descriptor that holds a place, None where all are taken. Raises OSError."""
        for file in self._files:
            place = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(place)
            else:
                os.utime(place)
                return place
        return None

    def free(self) -> bool:
        """Return whether a place can be taken, or its process has been given up by Flower. Raises OSError."""
        if (place := self.take()) is not None:
            os.close(place)
            return True
        return bool(self._overdue())

    def await_one(self) -> int | None:
        """Return a place as `take` does, after some patience; None also where one has been given up.

        That one counts anew for the process that starts now. Else, while one process is late, all others
        would start at once, be late for that, and be started again.
        """
        limit = time.monotonic() + PATIENCE
        while (place := self.take()) is None and time.monotonic() < limit:
            if overdue := self._overdue():
                os.utime(overdue[0])
                break
            time.sleep(PAUSE)
        return place

    def _overdue(self) -> list[Path]:
        return [file for file in self._files if time.time() - file.stat().st_mtime > LONGEST]


def cold(
    arguments: Sequence[str],
    given: Mapping[str, int],
    **named: Any,  # noqa: ANN401  (Popen's)
) -> subprocess.Popen[bytes]:
    """Start a process as Flower does, which holds the `given` descriptors: numbers by variable."""
    environment = {**os.environ, **{name: str(number) for name, number in given.items()}}
    return subprocess.Popen(arguments, **named, pass_fds=tuple(given.values()), env=environment)


def cpus() -> int:
    """Return how many CPUs this process may use, by affinity and by its control group's quota."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = QUOTA.read_text().split()
        count = min(count, -(-int(quota) // int(period)))
    return count


def limit(start: Callable[..., Process] | None = None) -> None:
    """Hold the SuperExec that this process becomes to its limits. `start` starts app processes (warm.py)."""
    without = "no limit on app processes that start at once"
    module = hooks.module(hooks.EXECUTOR, "SubprocessExecutor", "subprocess", without=without)
    if module is None:
        return
    places = Places(Path(os.environ[STARTS]), max(SMALLEST, cpus())) if os.environ.get(STARTS) else None
    most = int(os.environ.get(MAX_RUNS) or 0)
    started: list[tuple[str, Process]] = []  # asked each time, or they would stay as zombies

    def capacity(original: Callable[..., Any]) -> Callable[..., Any]:
        def eligible(executor: Any, supported: set[Any], **named: Any) -> Any:  # noqa: ANN401  (Flower's)
            started[:] = [(program, process) for program, process in started if process.poll() is None]
            if places is not None and not places.free():
                return set(), set()
            if most and sum(program == SERVERAPP for program, _ in started) >= most:
                supported = {kind for kind in supported if kind != SERVERAPP}
            return original(executor, supported, **named)

        return eligible

    def popen(arguments: list[str], **named: Any) -> Process:  # noqa: ANN401  (Flower's)
        place = places.await_one() if places is not None else None
        end = app_ends.AppEnd()
        given = {app_ends.BEGUN: end.descriptor, **({} if place is None else {PLACE: place})}
        process: Process | None = None
        try:
            process = (start or cold)(arguments, given, **named)
        finally:
            if place is not None:
                os.close(place)  # the process that was started holds it now
            end.started(arguments, process)
        started.append((arguments[0], process))
        return process

    hooks.replace(module.SubprocessExecutor, "get_eligible_capacity", capacity)
    module.subprocess = SimpleNamespace(Popen=popen, DEVNULL=subprocess.DEVNULL)


def begin(program: str) -> None:
    """In an app process: give its place free once its task has begun."""
    if not (text := os.environ.pop(PLACE, "")):
        return
    place = int(text)
    os.set_inheritable(place, False)
    without = "this app process holds up no other that starts"
    if not hooks.once_begun(program, lambda **_: os.close(place), without=without):
        os.close(place)
