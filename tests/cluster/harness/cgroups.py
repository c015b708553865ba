"""All processes of a cluster, daemons and containers, live below one cgroup: kill those and it is gone."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from .cache import HarnessError

MOUNT = Path("/sys/fs/cgroup")
PARENT = "flowerbed"


def unified() -> bool:
    """Tell whether this machine has cgroup v2 alone."""
    return (MOUNT / "cgroup.controllers").exists()


def _hierarchies() -> list[Path]:
    """Return the roots in which a cluster needs groups: one on v2, one for each controller on v1."""
    if unified():
        return [MOUNT]
    return [
        MOUNT / entry.name
        for entry in MOUNT.iterdir()
        if entry.is_dir() and not entry.is_symlink() and (entry / "cgroup.procs").exists()
    ]


def _enable(folder: Path) -> None:
    """Hand v2's controllers down to the groups below `folder`."""
    control = folder / "cgroup.subtree_control"
    wanted = set((folder / "cgroup.controllers").read_text().split()) - set(control.read_text().split())
    if not wanted:
        return
    text = " ".join(f"+{name}" for name in sorted(wanted))
    try:
        control.write_text(text)
    except OSError:
        # Processes in a group that is not the machine's own root forbid it: they move into a child.
        child = folder / "init"
        child.mkdir(exist_ok=True)
        for process in (folder / "cgroup.procs").read_text().split():
            (child / "cgroup.procs").write_text(process)
        control.write_text(text)


def make(name: str, *groups: str) -> None:
    """Make flowerbed/NAME/GROUP for each of `groups`."""
    for root in _hierarchies():
        for group in groups:
            folder = root
            for part in (PARENT, name, group):
                if unified():
                    _enable(folder)
                folder = folder / part
                folder.mkdir(exist_ok=True)
                for file in ("cpuset.cpus", "cpuset.mems"):
                    setting = folder / file
                    if not unified() and setting.exists() and not setting.read_text().strip():
                        setting.write_text((folder.parent / file).read_text())


def path(name: str, group: str) -> str:
    """Return a group as the kubelet's `cgroupRoot` wants it."""
    return f"/{PARENT}/{name}/{group}"


def join(name: str, group: str) -> list[Path]:
    """Return the files to which a process writes `0` to move itself into a group."""
    return [root / PARENT / name / group / "cgroup.procs" for root in _hierarchies()]


def memory(name: str, group: str) -> int:
    """Return the bytes that a group uses now."""
    root = MOUNT if unified() else MOUNT / "memory"
    file = "memory.current" if unified() else "memory.usage_in_bytes"
    return int((root / PARENT / name / group / file).read_text())


def processes(name: str) -> set[int]:
    """Return the ids of all processes of a cluster."""
    found: set[int] = set()
    for root in _hierarchies():
        for folder, _, _ in os.walk(root / PARENT / name):
            with suppress(OSError):  # the group went while we looked
                found.update(int(line) for line in Path(folder, "cgroup.procs").read_text().split())
    return found - {0, os.getpid()}


def end(name: str, timeout: float = 15) -> None:
    """Kill all processes of a cluster and remove its groups; raise HarnessError if some stay."""
    limit = time.monotonic() + timeout
    while left := processes(name):
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > limit:
            raise HarnessError(f"processes of cluster {name} do not end: {sorted(left)}")
        time.sleep(0.05)
    for root in _hierarchies():
        top = root / PARENT / name
        for folder, _, _ in os.walk(top, topdown=False):
            _remove(Path(folder), limit)
        with suppress(OSError):  # another cluster's groups are in it, or it is gone
            (root / PARENT).rmdir()


def _remove(folder: Path, limit: float) -> None:
    while folder.is_dir():
        try:
            folder.rmdir()
        except OSError:  # the kernel still buries its processes
            if time.monotonic() > limit:
                return
            time.sleep(0.05)
