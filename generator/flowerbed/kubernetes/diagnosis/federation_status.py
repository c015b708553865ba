"""What `flowerbed status` tells of a federation on Kubernetes, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from flowerbed.kubernetes.diagnosis.findings import Finding
from flowerbed.kubernetes.network.endpoints import EndpointStatus
from flowerbed.runs.model import NodeStatus

# Where a node's state is from: the SuperLink itself, or its pod's readiness, which follows from it.
Source = Literal["superlink", "pod", ""]
NodeState = NodeStatus | Literal["not registered", "not ready", "unknown"]


class StatusObject(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the report's objects."""


class WorkloadStatus(StatusObject, frozen=True):
    """A StatefulSet or Deployment: replicas ready, and wanted."""

    kind: str
    name: str
    ready: int
    wanted: int


class PodStatus(StatusObject, frozen=True):
    """A pod, and the images that it runs."""

    name: str
    phase: str
    ready: bool
    restarts: int
    images: tuple[str, ...]


class PartyStatus(StatusObject, frozen=True):
    """A party's release, as Helm tells of it ("missing" where there is none), and what runs of it.

    `rolled_back_to` is the revision that `helm rollback` made this one from, "" where nothing did.
    """

    party: str
    release: str
    namespace: str
    context: str
    status: str = "unknown"
    revision: str = ""
    rolled_back_to: str = ""
    chart: str = ""
    workloads: tuple[WorkloadStatus, ...] = ()
    pods: tuple[PodStatus, ...] = ()


class FederationNode(StatusObject, frozen=True):
    """A declared node, or (`tenant` "") one that the SuperLink knows and nobody declared."""

    name: str
    tenant: str
    state: NodeState
    source: Source = ""
    node_id: str = ""


class CertificateStatus(StatusObject, frozen=True):
    """A certificate of the bundles: whose, its SHA-256, its end (ISO 8601, UTC), whole days until then.

    `ends_soon`: it is to be renewed.
    """

    owner: str
    fingerprint: str
    not_after: str
    days_left: int
    ends_soon: bool = False


class Versions(StatusObject, frozen=True):
    """Flower's line that is declared, and the versions that the pods' image tags name, by party."""

    declared: str
    running: dict[str, tuple[str, ...]] = {}


class FederationStatus(StatusObject, frozen=True):
    """All there is to say. `healthy` when no finding is a problem."""

    name: str
    healthy: bool
    admission: str
    insecure: bool
    flower: Versions
    parties: tuple[PartyStatus, ...]
    endpoints: tuple[EndpointStatus, ...]
    nodes: tuple[FederationNode, ...]
    certificates: tuple[CertificateStatus, ...]
    findings: tuple[Finding, ...]


def status_lines(found: FederationStatus) -> Iterator[str]:
    """Yield the report for people."""
    safety = "INSECURE: no TLS" if found.insecure else "TLS"
    admission = "admission OPEN" if found.admission == "open" else "admission listed"
    health = "healthy" if found.healthy else "NOT healthy"
    yield f"{found.name} on Kubernetes: {health} ({safety}, {admission}, Flower {found.flower.declared})"
    yield ""
    yield from _parties(found)
    yield ""
    for endpoint in found.endpoints:
        yield from _endpoint(endpoint)
    yield ""
    online = sum(node.state == "online" for node in found.nodes)
    known = sum(node.state in {"online", "offline", "registered"} for node in found.nodes)
    yield f"  nodes: {len(found.nodes)} declared, {known} registered, {online} online"
    width = max((len(node.name) for node in found.nodes), default=0)
    for node in found.nodes:
        source = " (by its pod's readiness)" if node.source == "pod" else ""
        yield f"    {node.name:<{width}}  {node.state}{source} {node.node_id}".rstrip()
    if found.certificates:
        yield ""
        yield "  certificates"
    width = max((len(certificate.owner) for certificate in found.certificates), default=0)
    for certificate in found.certificates:
        yield (
            f"    {certificate.owner:<{width}}  {certificate.days_left} days left, until "
            f"{certificate.not_after[:10]}, SHA-256 {certificate.fingerprint[:16]}"
        )
    if found.findings:
        yield ""
    for finding in found.findings:
        yield from finding.lines()


def _parties(found: FederationStatus) -> Iterator[str]:
    width = max((len(party.party) for party in found.parties), default=0)
    for party in found.parties:
        place = f"{party.namespace}{f' in {party.context}' if party.context else ''}"
        ready = sum(pod.ready for pod in party.pods)
        wanted = sum(workload.wanted for workload in party.workloads)
        restarts = sum(pod.restarts for pod in party.pods)
        again = f", {restarts} restart{'s' * (restarts != 1)}" if restarts else ""
        version = ", ".join(found.flower.running.get(party.party, ()))
        yield (
            f"  {party.party:<{width}}  {party.release} ({place}): {party.status}"
            + (f", revision {party.revision}, {party.chart}" if party.revision else "")
            + (f", rolled back to revision {party.rolled_back_to}" if party.rolled_back_to else "")
            + f", {ready} of {wanted} pods ready{again}"
            + (f", Flower {version}" if version else "")
        )


_WAYS = {
    "dialled": "answers",
    "port-forward": "answers through a port-forward",
    "not reached": "NOT reached",
}


def _endpoint(endpoint: EndpointStatus) -> Iterator[str]:
    yield f"  {endpoint.audience:<8} {endpoint.address} ({endpoint.exposure}): {_WAYS[endpoint.how]}"
    if endpoint.fingerprint:
        names = ", ".join(endpoint.tls_names[:3]) + (" ..." if len(endpoint.tls_names) > 3 else "")
        yield f"           names {names}"
        yield (
            f"           certificate SHA-256 {endpoint.fingerprint[:16]}, {endpoint.days_left} days left"
            f"; CA {', '.join(one[:16] for one in endpoint.ca_fingerprints) or 'of the system'}"
        )
