"""The nodes' public keys: what is declared of them, and which were revoked."""

from __future__ import annotations

from pathlib import Path

from flowerbed.bundles import Record, read_record
from flowerbed.identities.revocations import key_fingerprint, read_revocations
from flowerbed.plan import Plan


def declared_keys(plan: Plan, record: Record) -> dict[str, str]:
    """Return every declared node's public key (PEM) by the node's name, "" where none is known here."""
    found = {}
    for tenant in plan.tenants:
        party = record.parties.get(f"tenants/{tenant.name}")
        made = party.identity.public_keys if party else {}
        for node in tenant.nodes:
            found[node.name] = node.public_key or made.get(node.name, "")
    return found


def tenants_with_revoked_nodes(plan: Plan, bundles: Path) -> frozenset[str]:
    """Return the tenants that have a node which is never admitted again with the key that it has."""
    revoked = read_revocations(bundles).keys
    keys = declared_keys(plan, read_record(plan, bundles))
    out = {name for name, key in keys.items() if key and key_fingerprint(key) in revoked}
    return frozenset(tenant.name for tenant in plan.tenants if any(node.name in out for node in tenant.nodes))
