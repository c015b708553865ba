"""The values of every folder under values/, from its federation.yaml.

They are what `flowerbed generate` writes, with marks in the places of public keys and of the CA's
certificate, which exist only once somebody has made keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from flowerbed.bundles.render import coordinator_texts, tenant_texts
from flowerbed.declaration import load_plan
from flowerbed.plan import Plan, Tenant
from flowerbed.values.supernode import neighbours
from texts import Texts

ROOT = Path(__file__).resolve().parent.parent / "values"
MARK = "FILL IN: "
AUTHORITY = f"{MARK}the CA's certificate, ca.crt of the tenant's bundle\n"


def shipped_values() -> Texts:
    """Return every values file of every folder; one of a party that is no longer declared must not exist."""
    wanted = dict(item for file in sorted(ROOT.glob("*/federation.yaml")) for item in shipped(file))
    return {**dict.fromkeys(sorted(set(ROOT.glob("*/*/**/values.yaml")) - set(wanted))), **wanted}


def shipped(file: Path) -> Iterator[tuple[Path, str]]:
    """Yield every values file of a declaration, and its text."""
    plan = load_plan(file)
    head = msgspec.structs.replace(plan, tenants=(), users=())
    keys = {tenant.name: public_keys(plan, tenant) for tenant in plan.tenants}
    users = {user.name: user.role for user in plan.users}
    everybody = {name: key for tenant in keys.values() for name, key in tenant.items()}
    yield (
        file.parent / "coordinator" / "values.yaml",
        coordinator_texts(head, users, everybody, neighbours(plan), "")["values.yaml"],
    )
    authority = "" if plan.insecure or plan.superlink.tls.source != "generated" else AUTHORITY
    for tenant in plan.tenants:
        texts = tenant_texts(head, tenant, keys[tenant.name], authority)
        yield file.parent / "tenants" / tenant.name / "values.yaml", texts["values.yaml"]


def public_keys(plan: Plan, tenant: Tenant) -> dict[str, str]:
    """Return the nodes' public keys by node name: those that the tenant brought, else a mark for each."""
    if plan.insecure:
        return {}
    mark = f"{MARK}the node's public key, from the coordinator's values in a generated bundle\n"
    return {node.name: node.public_key or mark for node in tenant.nodes}
