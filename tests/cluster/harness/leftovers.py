"""Ending a cluster, whatever state it is in: by name, so that a killed one goes the same way."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import cgroups, network
from .cache import root, say, try_lock
from .shell import run


def folder(name: str) -> Path:
    """Return the folder of a cluster's files."""
    return root() / "run" / name


def lock_file(name: str) -> Path:
    """Return the file that a cluster's supervisor holds locked while it lives."""
    return network.RUN / f"{name}.lock"


def number_lock(number: int) -> Path:
    """Return the file that the supervisor of the cluster with this number holds locked."""
    return network.RUN / "numbers" / str(number)


def remove(name: str) -> None:
    """End all of a cluster: processes, mounts, network, cgroups, files. The caller holds its lock."""
    cgroups.end(name)
    places = (folder(name), network.RUN / name)
    for shim in places[1].glob("*/state/io.containerd.runtime.v2.task/*/*/address"):
        Path(shim.read_text().removeprefix("unix://")).unlink(missing_ok=True)
    # The last mounted goes first; \\040 and the like do not occur in our names.
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in reversed([path for path in mounts if any(path.startswith(f"{place}/") for place in places)]):
        run("umount", "-l", mount, check=False)
    network.unplug_nodes(name)
    network.unplug_host()
    for place in places:
        shutil.rmtree(place, ignore_errors=True)
        if place.exists():
            run("rm", "-rf", "--one-file-system", place)


def remove_stale() -> None:
    """Remove what killed clusters of this cache left behind; running ones are not touched."""
    known = {entry.name for entry in (root() / "run").iterdir()} if (root() / "run").is_dir() else set()
    for name in sorted(known):
        lock = try_lock(lock_file(name))
        if lock is None:
            continue
        say(f"removing what a killed cluster {name} left")
        remove(name)
        os.close(lock)
        lock_file(name).unlink(missing_ok=True)
