"""Machines that are emptied, pods that move, programs in them that die, volumes that are full."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from followed_runs import wait_until
from harness.built import BuiltCluster
from harness.cluster import Cluster
from memory_use import groups

# The cluster's own name server stays: it is no part of what is tried.
PODS = "app.kubernetes.io/name in (superlink, supernode)"


@contextmanager
def drained(cluster: Cluster, machine: str, seconds: int = 180) -> Iterator[None]:
    """Evict Flowerbed's pods from a machine, and keep new ones away until the end."""
    try:
        cluster.kubectl(
            *("drain", machine, f"--pod-selector={PODS}", "--delete-emptydir-data", "--ignore-daemonsets"),
            f"--timeout={seconds}s",
        )
        yield
    finally:
        cluster.kubectl("uncordon", machine)


def machine_of(cluster: Cluster, namespace: str, selector: str) -> str:
    """Return the machine of the one living pod that a selector finds; empty while there is none."""
    found = cluster.get("pods", "-n", namespace, "-l", selector)["items"]
    living = [one["spec"].get("nodeName", "") for one in found if "deletionTimestamp" not in one["metadata"]]
    return str(living[0]) if len(living) == 1 else ""


def place(cluster: Cluster, namespace: str, selector: str, machine: str) -> None:
    """Let the one pod that a selector finds run on a machine, if need be by making it anew there."""
    if machine_of(cluster, namespace, selector) == machine:
        return
    others = [one["metadata"]["name"] for one in cluster.get("nodes")["items"]]
    others.remove(machine)
    try:
        cluster.kubectl("cordon", *others)
        cluster.kubectl("delete", "pod", "-n", namespace, "-l", selector)
        wait_until("its new pod", lambda: machine_of(cluster, namespace, selector) == machine, 120)
        cluster.kubectl(
            *("wait", "pod", "-n", namespace, "-l", selector, "--for=condition=Ready", "--timeout=180s")
        )
    finally:
        cluster.kubectl("uncordon", *others)


def kill_program(cluster: BuiltCluster, namespace: str, pod: str, container: str, program: str) -> bool:
    """Kill every process of a program in a container; False where none runs at the moment."""
    group = groups(cluster, namespace, pod)[container]
    found = []
    for number in (group / "cgroup.procs").read_text().split():
        with suppress(OSError):  # it may have ended by itself
            if program.encode() in Path("/proc", number, "cmdline").read_bytes():
                os.kill(int(number), signal.SIGKILL)
                found.append(number)
    return bool(found)


@contextmanager
def filled(volume: Path) -> Iterator[None]:
    """Leave not one byte free in a volume meanwhile."""
    ballast = volume / "ballast"
    try:
        with ballast.open("ab", buffering=0) as file:
            for size in (65536, 1):
                with suppress(OSError):
                    while True:
                        file.write(b"x" * size)
        assert os.statvfs(volume).f_bfree == 0  # whoever writes next fails
        yield
    finally:
        ballast.unlink()
