"""What the tests of the local federation share: declarations, a small app, calls, processes to be found."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from flowerbed.declaration import load_plan
from flowerbed.local.health import Status, status
from flowerbed.local.state import StateDirectory
from flowerbed.local.watchdog_process import marked_processes

LIMIT = 100.0  # seconds that a federation may take to come up on a busy machine
GONE = 12.0  # seconds within which nothing may be left of it, however it ended

ONE_NODE = """\
version: 1
name: {name}
flower: "1.41"
tenants:
  - {{name: north, nodes: 1}}
users:
  - {{name: analyst, role: submitter}}
"""

HOSPITALS = """\
version: 1
name: hospitals
flower: "1.41"
tenants:
  - {name: north, nodes: 1, config: {site: "Hôpital \\"Nord\\"", share: 1.0}}
  - {name: west, nodes: 1, isolation: process, config: {site: west}, env: {TZ: Europe/Paris}}
users:
  - {name: vera, role: viewer}
  - {name: sam, role: submitter}
  - {name: olga, role: operator}
"""


def declare(folder: Path, text: str) -> Path:
    """Write a declaration and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "federation.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def state(file: Path) -> StateDirectory:
    """Return the state folder of a declaration."""
    return StateDirectory.of(file, load_plan(file).name)


def health(file: Path) -> Status:
    """Return what `flowerbed status` says."""
    return status(load_plan(file), file)


def flowerbed(*arguments: object, environment: Mapping[str, str] | None = None) -> list[str]:
    """Return a command line of flowerbed."""
    return [sys.executable, "-m", "flowerbed", *map(str, arguments)]


def run(
    *arguments: object, environment: Mapping[str, str] | None = None, limit: float = LIMIT + 30
) -> subprocess.CompletedProcess[str]:
    """Run a verb to its end, which comes within `limit` seconds."""
    return subprocess.run(
        flowerbed(*arguments),
        capture_output=True,
        text=True,
        timeout=limit,
        env={**os.environ, **(environment or {})},
        check=False,
    )


@contextlib.contextmanager
def foreground(file: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run `flowerbed up` as a child; at the end nothing of it is left, whatever the test did."""
    with (file.parent / "up.log").open("w+") as log:
        process = subprocess.Popen(
            flowerbed("up", file, *options), stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            run("down", file)


def until(true: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until something is true; fail with `what` if it does not become so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def until_online(file: Path, process: subprocess.Popen[str] | None = None) -> int:
    """Wait until the federation is online; return its supervisor's pid."""

    def online() -> bool:
        if process is not None and process.poll() is not None:
            raise AssertionError((file.parent / "up.log").read_text())
        record = state(file).read()
        return record is not None and record.state == "online"

    until(online, LIMIT, f"{file} online")
    record = state(file).read()
    assert record is not None
    return record.pid


def processes(file: Path) -> list[int]:
    """Return every process that belongs to a federation: by its environment or its command line."""
    path = str(state(file).path).encode()
    found = set(marked_processes(state(file).mark))
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if path in (folder / "cmdline").read_bytes():
                found.add(int(folder.name))
    return sorted(found)


def until_gone(file: Path) -> None:
    """Fail unless every process of the federation ends soon."""
    until(lambda: not processes(file), GONE, f"processes left: {processes(file)}")


def kill(pid: int) -> None:
    """Kill a process that the test started, or one of its federation."""
    os.kill(pid, signal.SIGKILL)
