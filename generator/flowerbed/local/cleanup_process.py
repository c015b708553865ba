"""Removes the folder of a throwaway federation when its owner is gone, whatever way it went.

    python -m flowerbed.local.cleanup_process DIR MARK

The owner holds the other end of standard input; end of file means that it is gone. The folder is removed
once no process of the federation in it is left: none with its mark (see `watchdog_process.marked_processes`),
and no supervisor, which has the folder in its command line.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from flowerbed.local.watchdog_process import (
    GRACE_PERIOD,
    KILL_TIMEOUT,
    POLL_INTERVAL,
    kill_marked,
    marked_processes,
)

# The supervisor's orderly end, then the watchdog's two steps.
END_TIMEOUT = 20.0 + GRACE_PERIOD + KILL_TIMEOUT


def supervisors(folder: Path) -> list[int]:
    """Return the processes with a path in `folder` in their command line (Linux; elsewhere none)."""
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            named = f"{folder}/".encode() in (process / "cmdline").read_bytes()
            if named and int(process.name) != os.getpid():
                pids.append(int(process.name))
    return pids


def main(folder: Path, mark: str) -> None:
    """Wait for the owner's end, then for the processes', then remove the folder."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    end = time.monotonic() + END_TIMEOUT
    while (supervisors(folder) or marked_processes(mark)) and time.monotonic() < end:
        time.sleep(POLL_INTERVAL)
    for pid in supervisors(folder):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    kill_marked(mark)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
