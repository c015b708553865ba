"""A tenant's node keys: one Secret with one entry per node (`tenants/NAME/secrets.yaml`).

A key whose node left the plan moves to `retired-keys.yaml` beside it and never comes back: once the registrar
has unregistered a key, that SuperLink refuses it for good (flwr 1.41), so a node that returns gets a new one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from flowerbed.identities.events import Event, Tell, ignore
from flowerbed.identities.kept import foreign_secret, locked, read_secrets, write_secrets
from flowerbed.identities.manifest import OPAQUE, Secret
from flowerbed.identities.nodekey import NodeKey
from flowerbed.plan import Plan, Tenant


def ensure_node_keys(plan: Plan, tenant: Tenant, folder: Path, tell: Tell = ignore) -> dict[str, NodeKey]:
    """Return a tenant's keys by node name, in the plan's order: kept ones, and new ones for new nodes.

    Empty for a tenant that brings its keys, whose private halves stay there, and for an insecure federation,
    which leaves keys that were made before as they are. Raises IdentityError when a kept key is damaged.
    """
    if plan.insecure:
        return {}
    path = _path(folder, tenant)
    wanted = [node.name for node in tenant.nodes] if makes_keys(plan, tenant) else []
    with locked(folder):
        kept = _entries(path, tell)
        keys = {name: _key(kept, name, path) if name in kept else NodeKey.generate() for name in wanted}
        _retire(tenant, path, {name: pem for name, pem in kept.items() if name not in keys}, tell)
        _keep(tenant, path, keys, replaces_keys=bool(kept))
    made = [name for name in keys if name not in kept]
    if made:
        tell(Event("made", _count(made), path, ", ".join(made)))
    return keys


def read_node_keys(plan: Plan, tenant: Tenant, folder: Path, tell: Tell = ignore) -> dict[str, NodeKey]:
    """Return those of a tenant's keys that are kept, by node name; nothing is made."""
    if not makes_keys(plan, tenant):
        return {}
    path = _path(folder, tenant)
    kept = _entries(path, tell)
    names = [node.name for node in tenant.nodes if node.name in kept]
    return {name: _key(kept, name, path) for name in names}


def makes_keys(plan: Plan, tenant: Tenant) -> bool:
    """Return whether the tenant's node keys are made here."""
    return not plan.insecure and tenant.keys == "generated"


def _path(folder: Path, tenant: Tenant) -> Path:
    return folder / "tenants" / tenant.name / "secrets.yaml"


def _key(kept: dict[str, bytes], name: str, path: Path) -> NodeKey:
    remedy = (
        "put the file back as it was; where no copy is left, delete this node's entry and run"
        " `flowerbed generate` again, which makes a new key"
    )
    return NodeKey.from_private(kept[name], f"{path}: {name}", remedy)


def _count(names: list[str]) -> str:
    return "node key" if len(names) == 1 else f"{len(names)} node keys"


def _entries(path: Path, tell: Tell) -> dict[str, bytes]:
    secrets = read_secrets(path, tell)
    if len(secrets) > 1 or any(secret.type != OPAQUE for secret in secrets):
        raise foreign_secret(path)
    return secrets[0].entries if secrets else {}


def _keep(tenant: Tenant, path: Path, keys: dict[str, NodeKey], *, replaces_keys: bool) -> None:
    if not keys:
        path.unlink(missing_ok=True)
        return
    entries = {name: key.private for name, key in keys.items()}
    secret = Secret(tenant.keys_secret, tenant.namespace, OPAQUE, entries)
    write_secrets(path, [secret], replaces_keys=replaces_keys)


def _retire(tenant: Tenant, manifest: Path, leaving: dict[str, bytes], tell: Tell) -> None:
    # Before the manifest is written again: an interruption leaves the key in both files, not in none.
    if not leaving:
        return
    path = manifest.with_name("retired-keys.yaml")
    entries = _entries(path, tell)
    entries |= {f"{name}.{hashlib.sha256(pem).hexdigest()[:12]}": pem for name, pem in leaving.items()}
    secret = Secret(f"{tenant.keys_secret}-retired", tenant.namespace, OPAQUE, dict(sorted(entries.items())))
    write_secrets(path, [secret], replaces_keys=True)
    reason = f"{', '.join(leaving)} left the plan; a node that returns under that name gets a new key"
    tell(Event("retired", _count(list(leaving)), path, reason))
