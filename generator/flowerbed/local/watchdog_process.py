"""Ends a local federation's processes when their supervisor is gone, whatever way it went.

    python -I -S watchdog_process.py MARK

The supervisor holds the other end of standard input and writes `+GROUP` for each process group that it starts
and `-GROUP` when the group has ended. End of file means that the supervisor is gone. MARK is the environment
entry that every process of the federation inherits (`FLOWERBED_STATE=/path`): on Linux it also finds those
that left their group. Standard library only, without site packages: it must start fast and need little.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

# Time to leave in order: a SuperNode tells its SuperLink that it goes, so that its key is free at once.
GRACE_PERIOD = 2.0
KILL_TIMEOUT = 5.0
POLL_INTERVAL = 0.05


def marked_processes(mark: str) -> list[int]:
    """Return the processes of this user that carry `mark` in their environment (Linux; elsewhere none)."""
    entry = mark.encode()
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry in (folder / "environ").read_bytes().split(b"\0") and int(folder.name) != os.getpid():
                pids.append(int(folder.name))
    return pids


def kill_marked(mark: str) -> list[int]:
    """Kill every process that carries `mark`, new ones too; return those that could not be ended."""
    end = time.monotonic() + KILL_TIMEOUT
    while (left := marked_processes(mark)) and time.monotonic() < end:
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_INTERVAL)
    return left


def signal_group(group: int, number: int) -> bool:
    """Signal a process group (0: only look); return whether it exists."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of a group of zombies
        return False
    return True


def end_groups(groups: Iterable[int], grace: float) -> None:
    """Ask process groups to end, and kill those that are still there after `grace` seconds."""
    left = [group for group in groups if signal_group(group, signal.SIGTERM)]
    end = time.monotonic() + grace
    while left and time.monotonic() < end:
        time.sleep(POLL_INTERVAL)
        left = [group for group in left if signal_group(group, 0)]
    for group in left:
        signal_group(group, signal.SIGKILL)


def main(mark: str) -> None:
    """Wait for the supervisor's end, then end what it left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    end_groups(groups, GRACE_PERIOD)
    kill_marked(mark)


if __name__ == "__main__":
    main(sys.argv[1])
