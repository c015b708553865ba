"""`flowerbed status` of a federation on Kubernetes: from the clusters' side and from the SuperLink's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from flowerbed.bundles import BundleManifest, read_manifest
from flowerbed.cluster.objects import Objects, read_objects
from flowerbed.cluster.party import Party
from flowerbed.cluster.release import Release, read_release, with_rollback
from flowerbed.cluster.session import PARALLEL_CLUSTERS, Cluster
from flowerbed.declaration.cautions import cautions
from flowerbed.errors import FlowerbedError
from flowerbed.kubernetes.diagnosis.bundle_checks import certificate_statuses, drift, expiry_findings
from flowerbed.kubernetes.diagnosis.facts import gather_facts
from flowerbed.kubernetes.diagnosis.federation_status import (
    FederationNode,
    FederationStatus,
    NodeState,
    PartyStatus,
    PodStatus,
    Versions,
    WorkloadStatus,
)
from flowerbed.kubernetes.diagnosis.findings import Finding, diagnose, healthy, merge, problem
from flowerbed.kubernetes.network.probe import Answers, pod_findings, probe_federation
from flowerbed.kubernetes.node_keys import declared_keys, with_revoked
from flowerbed.plan import Plan

# Images that hold Flower: those of the charts are named so.
_FLOWER = re.compile(r"/?(superlink|supernode|superexec)[^/]*:v?(\d+\.\d+[^@]*)")


class _Look(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one party."""

    status: PartyStatus
    findings: tuple[Finding, ...] = ()


def read_status(plan: Plan, bundles: Path, clusters: Sequence[Cluster]) -> FederationStatus:
    """Return how the parties are. What cannot be reached is a finding, never an error.

    Asks the SuperLink only when the coordinator is among the parties.
    """
    manifest = read_manifest(plan, bundles)
    clusters = with_revoked(clusters, plan, manifest, bundles)
    revoked = frozenset(name for cluster in clusters for name in cluster.party.revoked)
    coordinator = next((cluster for cluster in clusters if cluster.party.is_coordinator), None)
    with ThreadPoolExecutor(PARALLEL_CLUSTERS) as pool:
        asked = pool.submit(probe_federation, plan, bundles, coordinator)
        looks = list(pool.map(_look, clusters))
        answers = asked.result()
    statuses = tuple(look.status for look in looks)
    nodes = _nodes(plan, manifest, statuses, answers)
    versions = Versions(declared=plan.flower, running={party.party: _versions(party) for party in statuses})
    certificates = certificate_statuses(manifest, plan, bundles)
    findings = (
        *_modes(plan, manifest, answers),
        *(finding for look in looks for finding in look.findings),
        *_of_endpoints(plan, manifest, answers),
        *_of_nodes([node for node in nodes if node.name not in revoked], statuses),
        *_still_online([node for node in nodes if node.name in revoked]),
        *_of_versions(versions),
        *expiry_findings(certificates),
    )
    return FederationStatus(
        name=plan.name,
        healthy=healthy(findings),
        admission=plan.admission,
        insecure=plan.insecure,
        flower=versions,
        parties=statuses,
        endpoints=answers.endpoints,
        nodes=nodes,
        certificates=certificates,
        findings=findings,
    )


def _look(cluster: Cluster) -> _Look:
    party = cluster.party
    blank = PartyStatus(
        party=party.name, release=party.release, namespace=party.namespace, context=party.context
    )
    try:
        release = with_rollback(cluster, read_release(cluster))
        objects = read_objects(cluster)
    except FlowerbedError as error:
        return _Look(status=blank, findings=(problem(error.what, where=error.where, remedy=error.remedy),))
    findings = [
        *_of_release(release, party, objects),
        *merge(diagnose(fact, party=party.name) for fact in gather_facts(objects, cluster)),
        *(pod_findings(cluster, objects) if party.is_coordinator else ()),
        *(drift(cluster, release) if party.is_coordinator else ()),
    ]
    return _Look(status=_filled(blank, release, objects), findings=tuple(findings))


def _filled(blank: PartyStatus, release: Release | None, objects: Objects) -> PartyStatus:
    return msgspec.structs.replace(
        blank,
        status=release.status if release else "missing",
        revision=release.revision if release else "",
        rolled_back_to=release.rolled_back_to if release else "",
        chart=release.chart if release else "",
        workloads=tuple(
            WorkloadStatus(
                kind=each.kind,
                name=each.metadata.name,
                ready=each.status.ready_replicas,
                wanted=each.spec.replicas,
            )
            for each in objects.workloads
        ),
        pods=tuple(
            PodStatus(
                name=pod.metadata.name,
                phase=pod.status.phase,
                ready=pod.ready,
                restarts=pod.restarts,
                images=tuple(container.image for container in pod.spec.containers),
            )
            for pod in objects.pods
        ),
    )


def _of_release(release: Release | None, party: Party, objects: Objects) -> list[Finding]:
    if release is None:
        what = f"release {party.release} is not installed"
        if objects.claims:
            left = ", ".join(claim.metadata.name for claim in objects.claims)
            what += f", but it was: its volume is kept ({left})"
        return [problem(what, where=party.name, remedy=f"`flowerbed apply --party {party.name}` installs it")]
    if release.status != "deployed":
        what = f"release {party.release} is {release.status}"
        return [problem(what, where=party.name, remedy="`flowerbed apply` puts it right")]
    return []


def _modes(plan: Plan, manifest: BundleManifest, answers: Answers) -> list[Finding]:
    if plan.insecure:
        what = (
            "INSECURE: nothing is encrypted; anyone who can reach the control address can run code on every "
            "node"
        )
        return [Finding(level="warning", what=what, remedy="for anything but tests drop `insecure: true`")]
    shared = [Finding(level="warning", what=each.what, remedy=each.remedy) for each in cautions(plan)]
    if plan.admission == "open":
        declared = set(declared_keys(plan, manifest).values())
        others = [node for node in answers.nodes or () if node.public_key not in declared]
        online = sum(node.status == "online" for node in others)
        joined = f"; online without being declared: {online}" if online else ""
        what = f"OPEN ADMISSION: every SuperNode that reaches the fleet address may join{joined}"
        return [Finding(level="warning", what=what, remedy="declare `admission: listed`"), *shared]
    return shared


def _nodes(
    plan: Plan, manifest: BundleManifest, statuses: Sequence[PartyStatus], answers: Answers
) -> tuple[FederationNode, ...]:
    keys = declared_keys(plan, manifest)
    known = {node.public_key: node for node in answers.nodes or ()}
    looked_at = {party.party for party in statuses}
    ready = {pod.name: pod.ready for party in statuses for pod in party.pods}
    found = []
    for tenant in plan.tenants:
        if tenant.name not in looked_at:
            continue
        for node in tenant.nodes:
            key = keys[node.name]
            if answers.nodes is not None and key:
                there = known.get(key)
                state: NodeState = there.status if there else "not registered"
                node_id = there.node_id if there else ""
                entry = FederationNode(
                    name=node.name, tenant=tenant.name, state=state, source="superlink", node_id=node_id
                )
            else:
                # Ready means: the SuperLink acknowledges the node's heartbeats.
                seen = ready.get(node.name)
                by_pod: NodeState = "unknown" if seen is None else "online" if seen else "not ready"
                entry = FederationNode(name=node.name, tenant=tenant.name, state=by_pod, source="pod")
            found.append(entry)
    return tuple(found)


def _of_nodes(nodes: Sequence[FederationNode], statuses: Sequence[PartyStatus]) -> Iterator[Finding]:
    ready = {pod.name: pod.ready for party in statuses for pod in party.pods}
    missing = {party.party for party in statuses if party.status in {"missing", "unknown"}}
    for node in nodes:
        # What keeps a pod from being ready, or a release from being there, is a finding already.
        if node.tenant in missing or node.state == "online":
            continue
        if node.name not in ready:
            yield problem(
                f"node {node.name} has no pod",
                where=node.tenant,
                remedy=f"`flowerbed apply --party {node.tenant}` brings it back",
            )
        elif ready[node.name] and node.source == "superlink":
            yield problem(
                f"node {node.name} is {node.state} to the SuperLink, while its pod is ready",
                where=node.tenant,
                remedy="wait for its next heartbeat (30 s); if it lasts, delete the pod",
            )


def _still_online(revoked: Sequence[FederationNode]) -> Iterator[Finding]:
    for node in revoked:
        if node.state == "online" and node.source == "superlink":
            what = f"node {node.name} is online, though its key was revoked"
            remedy = "`flowerbed apply --party coordinator` shuts it out within seconds"
            yield problem(what, where=node.tenant, remedy=remedy)


def _of_endpoints(plan: Plan, manifest: BundleManifest, answers: Answers) -> list[Finding]:
    found = list(answers.findings)
    coordinator = manifest.parties.get("coordinator")
    made = coordinator.identity.certificate if coordinator else None
    for endpoint in answers.endpoints:
        where = f"{endpoint.audience} endpoint"
        if endpoint.problem and endpoint.how != "not reached":
            found.append(problem(endpoint.problem, where=where))
        elif endpoint.problem:
            found.append(
                Finding(level="warning", what=f"not reached from here: {endpoint.problem}", where=where)
            )
        elif (
            made
            and plan.superlink.tls.source == "generated"
            and endpoint.fingerprint not in {"", made.sha256}
        ):
            what = "the gateway shows another certificate than the bundle holds"
            remedy = (
                "`flowerbed apply --party coordinator`; the gateway takes a new one up within two minutes"
            )
            found.append(Finding(level="warning", what=what, where=where, remedy=remedy))
    return found


def _versions(party: PartyStatus) -> tuple[str, ...]:
    found = {match[2] for pod in party.pods for image in pod.images if (match := _FLOWER.search(image))}
    return tuple(sorted(found))


def _of_versions(versions: Versions) -> list[Finding]:
    line = f"{versions.declared}."
    return [
        problem(f"runs Flower {version}, while {versions.declared} is declared", where=party)
        for party, found in versions.running.items()
        for version in found
        if not f"{version}.".startswith(line)
    ]
