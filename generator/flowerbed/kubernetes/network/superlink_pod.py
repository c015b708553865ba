"""What the programs in the SuperLink's pod say, beside its readiness: the registrar, and the gateway."""

from __future__ import annotations

from flowerbed.cluster.objects import Objects
from flowerbed.cluster.session import Cluster
from flowerbed.kubernetes.diagnosis.cluster_checks import storage
from flowerbed.kubernetes.diagnosis.facts import registrar_troubles
from flowerbed.kubernetes.diagnosis.findings import Finding, problem

# Where the chart's `files/gateway.sh` notes what changed and fails HAProxy's check, as "pending NAME...".
PENDING = "/kept/used/pending"
_WORD = "pending "


def pod_findings(cluster: Cluster, objects: Objects) -> list[Finding]:
    """Return what is wrong in the SuperLink's pod although it may be ready; nothing where there is no pod."""
    pod = f"{cluster.party.release}-0"
    if not any(each.metadata.name == pod for each in objects.pods):
        return []
    # Readiness says nothing of a full volume: what has its room already is still read and written.
    full = [finding for finding in storage(cluster) if finding.level == "problem"]
    return [*list_findings(cluster), *full]


def list_findings(cluster: Cluster) -> list[Finding]:
    """Return what keeps lists and certificates that were applied from taking effect."""
    pod, party = f"{cluster.party.release}-0", cluster.party.name
    log = cluster.in_namespace("logs", pod, "--container", "registrar", "--tail", "200")
    troubles = registrar_troubles(log.out) if log.code == 0 else []
    noted = cluster.in_namespace("exec", pod, "--container", "gateway", "--", "cat", PENDING)
    pending = pending_names(noted.out) if noted.code == 0 else ""
    found = [problem(text, where=f"{party}: registrar") for text in troubles]
    if pending:
        found.append(problem(f"changed, but not in use: {pending}", where=f"{party}: gateway"))
    return found


def pending_names(text: str) -> str:
    """Return the names in the gateway's note of what is not in use, "" if there is none."""
    lines = [line.removeprefix(_WORD) for line in text.splitlines() if line.startswith(_WORD)]
    return ", ".join(name for line in lines for name in line.split())
