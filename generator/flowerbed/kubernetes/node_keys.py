"""The nodes' public keys: what is declared of them, and which were revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flowerbed.bundles import BundleManifest
from flowerbed.identities.revocations import key_fingerprint, read_revocations
from flowerbed.kubernetes.parties import Party
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
    parties: Sequence[Party], plan: Plan, manifest: BundleManifest, bundles: Path
) -> tuple[Party, ...]:
    """Return the parties with those of their nodes that are never admitted again with the key they have."""
    revoked = read_revocations(bundles).keys
    keys = declared_keys(plan, manifest)
    out = frozenset(name for name, key in keys.items() if key and key_fingerprint(key) in revoked)
    nodes = {tenant.name: {node.name for node in tenant.nodes} for tenant in plan.tenants}
    return tuple(replace(party, revoked=out & nodes.get(party.name, set())) for party in parties)
