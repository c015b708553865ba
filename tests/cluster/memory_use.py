"""What containers take of a machine's memory, by their cgroups: what must stay, apart from page cache."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.built import BuiltCluster
from harness.cgroups import MOUNT, unified

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Use:
    """Bytes: `held` is anonymous and shared memory, `cache` file pages, which the kernel drops at need."""

    held: int
    cache: int

    def __add__(self, other: Use) -> Use:
        return Use(self.held + other.held, self.cache + other.cache)

    def __str__(self) -> str:
        return f"{self.held / MEGABYTE:.1f} MB held, {self.cache / MEGABYTE:.1f} MB page cache"


def use_of(group: Path) -> Use:
    """Return the memory of a container's group (memory.stat of cgroup v1 and v2)."""
    words = (line.split() for line in (group / "memory.stat").read_text().splitlines())
    found = {name: int(value) for name, value in words}
    shared = found["shmem"]  # part of the file pages, but nothing that could be dropped
    return Use(
        found["anon" if unified() else "rss"] + shared, found["file" if unified() else "cache"] - shared
    )


def groups(cluster: BuiltCluster, namespace: str, pod: str) -> dict[str, Path]:
    """Return the groups of a pod's containers; `pause` is the one that Kubernetes adds to each pod."""
    found = cluster.get("pod", pod, "-n", namespace)
    names = {
        one["containerID"].removeprefix("containerd://"): one["name"]
        for one in found["status"]["containerStatuses"]
    }
    top = (MOUNT if unified() else MOUNT / "memory") / "flowerbed" / cluster.name
    (folder,) = top.glob(f"*/kubepods/**/pod{found['metadata']['uid']}")
    inside = [one for one in folder.iterdir() if one.is_dir() and (one / "cgroup.procs").read_text().strip()]
    return {names.get(one.name, "pause"): one for one in inside}


def settled(cluster: BuiltCluster, namespace: str, pod: str, seconds: float = 60) -> dict[str, Use]:
    """Return each container's memory once the pod's has not grown by more than a hundredth for 3 s."""
    folders, end = groups(cluster, namespace, pod), time.monotonic() + seconds
    before = -1
    while True:
        uses = {name: use_of(folder) for name, folder in folders.items()}
        held = total(uses.values()).held
        if abs(held - before) < held / 100:
            return uses
        assert time.monotonic() < end, f"the memory of {namespace}/{pod} still grows after {seconds:.0f} s"
        before = held
        time.sleep(3)


def total(uses: Iterable[Use]) -> Use:
    """Return the sum."""
    return sum(uses, start=Use(0, 0))
