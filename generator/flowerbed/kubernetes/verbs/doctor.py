"""`flowerbed doctor`: what has to be right before installing, and what has to hold afterwards.

Each check looks at one thing and returns findings; `ok` ones say that it was looked at.
"""

from __future__ import annotations

import importlib.metadata
import re
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flowerbed.cluster.programs import error_message
from flowerbed.cluster.session import PARALLEL_CLUSTERS, Cluster
from flowerbed.errors import FlowerbedError, UsageError
from flowerbed.flower.proxy import proxy_for
from flowerbed.kubernetes.diagnosis import cluster_checks
from flowerbed.kubernetes.diagnosis.findings import Finding, healthy, problem
from flowerbed.kubernetes.verbs.status import read_status
from flowerbed.plan import Endpoint, Plan

HELM_OLDEST = (3, 22)


def check_clusters(plan: Plan, bundles: Path, clusters: Sequence[Cluster]) -> list[Finding]:
    """Return what was found of tools, clusters and, once something is installed, the federation itself."""
    everything = [*_helm(clusters[0]), *_flower(plan)]
    if any(cluster.party.is_coordinator for cluster in clusters):
        everything += _hosts(plan)
    with ThreadPoolExecutor(PARALLEL_CLUSTERS) as pool:
        for found in pool.map(lambda cluster: _cluster(cluster, plan), clusters):
            everything += found
    reachable = [
        cluster
        for cluster in clusters
        if not any(f.level == "problem" and f.where.startswith(cluster.party.name) for f in everything)
    ]
    everything += _afterwards(plan, bundles, reachable)
    return everything


def _helm(cluster: Cluster) -> Iterator[Finding]:
    helm = cluster.programs.helm
    done = cluster.run([helm, "version", "--template", "{{.Version}}"])
    match = re.search(r"v(\d+)\.(\d+)", done.out)
    if not match:
        yield problem(error_message(done.err) or "does not report its version", where=helm)
    elif (int(match[1]), int(match[2])) < HELM_OLDEST:
        remedy = "install Helm 3.22 or newer"
        yield problem(f"is of version {done.out.strip()}", where=helm, remedy=remedy)
    else:
        yield Finding(level="ok", what=f"version {done.out.strip()}", where="helm")


def _flower(plan: Plan) -> Iterator[Finding]:
    version = importlib.metadata.version("flwr")
    if version.startswith(f"{plan.flower}."):
        yield Finding(level="ok", what=f"version {version}, as is declared", where="flwr here")
        return
    what = f"runs Flower {version} here, while {plan.flower} is declared"
    remedy = f"install `flwr~={plan.flower}.0` where you submit from"
    yield Finding(level="warning", what=what, where="flwr here", symptom="versions-differ", remedy=remedy)


def _hosts(plan: Plan) -> Iterator[Finding]:
    for audience, endpoint in (("fleet", plan.superlink.fleet), ("control", plan.superlink.control)):
        if endpoint.type != "cluster":
            yield _host(audience, endpoint)


def _host(audience: str, endpoint: Endpoint) -> Finding:
    where = f"{audience} endpoint"
    try:
        proxy = proxy_for(endpoint.host, endpoint.port)
    except UsageError as error:
        return problem(error.what, where=where, remedy=error.remedy)
    if proxy:
        what = f"{endpoint.host} is reached through {proxy}, which looks its name up"
        return Finding(level="ok", what=what, where=where)
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except OSError as error:
        what = f"{endpoint.host} cannot be resolved here ({error.strerror})"
        remedy = "create its DNS record once the load balancer, node or gateway has an address"
        return Finding(level="warning", what=what, where=where, symptom="name-unknown", remedy=remedy)
    addresses = ", ".join(sorted({str(entry[4][0]) for entry in found}))
    return Finding(level="ok", what=f"{endpoint.host} resolves to {addresses}", where=where)


def _cluster(cluster: Cluster, plan: Plan) -> list[Finding]:
    found: list[Finding] = []
    try:
        for finding in cluster_checks.check(cluster, plan):
            found.append(finding)
    except FlowerbedError as error:
        found.append(problem(error.what, where=f"{cluster.party.name}: cluster", remedy=error.remedy))
    return found


def _afterwards(plan: Plan, bundles: Path, clusters: Sequence[Cluster]) -> Iterator[Finding]:
    """Yield what `status` finds, once any of the releases is there, and how full the storage is."""
    if not clusters:
        return
    found = read_status(plan, bundles, clusters)
    installed = {party.party for party in found.parties if party.status != "missing"}
    if not installed:
        yield Finding(level="ok", what="nothing is installed yet; `flowerbed apply` does that")
        return
    yield from found.findings
    if healthy(found.findings):
        online = sum(node.state == "online" for node in found.nodes)
        yield Finding(level="ok", what=f"{online} of {len(found.nodes)} nodes online", where="federation")
    for cluster in clusters:
        if cluster.party.is_coordinator and cluster.party.name in installed:
            seen = cluster_checks.storage(cluster)
            yield from (finding for finding in seen if finding.level != "problem")  # that is in the status
