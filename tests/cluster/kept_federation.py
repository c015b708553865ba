"""The federation whose state is to be kept: what its SuperLink knows, its pods, what `flowerbed` says."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from harness.cluster import Cluster
from parties import FLOWERBED, Federation

from flowerbed.runs import NodeRecord, RunRecord, list_nodes, list_runs, load_connection

SPACE, TENANT = "lasting", "lasting-near"


def nodes(federation: Federation) -> list[NodeRecord]:
    """Return the nodes that the SuperLink knows."""
    return sorted(list_nodes(load_connection(federation.connection())), key=lambda node: node.node_id)


def runs(federation: Federation) -> list[RunRecord]:
    """Return the runs that the SuperLink knows."""
    return list_runs(load_connection(federation.connection()))


def identity(found: list[NodeRecord]) -> list[tuple[str, str, str]]:
    """Return what must never change of nodes."""
    return [(node.node_id, node.name, node.public_key) for node in found]


def pods(cluster: Cluster) -> dict[str, Any]:
    """Return the federation's pods by name, without those of `helm test`."""
    items = [one for space in (SPACE, TENANT) for one in cluster.get("pods", "-n", space)["items"]]
    return {
        one["metadata"]["name"]: one
        for one in items
        if "helm.sh/hook" not in one["metadata"].get("annotations", {})
    }


def uids(cluster: Cluster) -> dict[str, str]:
    """Return what tells a pod from its successor, by its name."""
    return {name: pod["metadata"]["uid"] for name, pod in pods(cluster).items()}


def command(federation: Federation, verb: str) -> list[str | Path]:
    """Return the command line of a verb."""
    return [FLOWERBED, verb, "--file", federation.bundles.parent.parent / "federation.yaml"]


def ask(federation: Federation, verb: str, *words: str | Path) -> tuple[int, str]:
    """Ask `flowerbed`; return the exit code and what was said."""
    done = subprocess.run(
        [*command(federation, verb), *words],
        env=dict(federation.coordinator.environment),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
