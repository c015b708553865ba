"""The nodes' public keys: what is declared of them, and which were revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flowerbed.bundles import BundleManifest
from flowerbed.cluster.session import Cluster
from flowerbed.identities.revocations import key_fingerprint, read_revocations
from flowerbed.plan import Plan


def declared_keys(plan: Plan, manifest: BundleManifest) -> dict[str, str]:
    """Return every declared node's public key (PEM) by the node's name, "" where none is known here."""
    found = {}
    for tenant in plan.tenants:
        party = manifest.parties.get(f"tenants/{tenant.name}")
        made = party.identity.public_keys if party else {}
        for node in tenant.nodes:
            found[node.name] = node.public_key or made.get(node.name, "")
    return found


def with_revoked(
    clusters: Sequence[Cluster], plan: Plan, manifest: BundleManifest, bundles: Path
) -> tuple[Cluster, ...]:
    """Return the clusters with those of their parties' nodes that are never admitted again with their key."""
    revoked = read_revocations(bundles).keys
    keys = declared_keys(plan, manifest)
    out = frozenset(name for name, key in keys.items() if key and key_fingerprint(key) in revoked)
    nodes = {tenant.name: {node.name for node in tenant.nodes} for tenant in plan.tenants}

    def updated(cluster: Cluster) -> Cluster:
        party = cluster.party
        return replace(cluster, party=replace(party, revoked=out & nodes.get(party.name, set())))

    return tuple(map(updated, clusters))
