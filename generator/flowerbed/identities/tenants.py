"""A tenant's Secrets (`tenants/NAME/secrets.yaml`): one with an entry per node, and its SuperExecs' secret.

A key whose node left the plan moves to `retired-keys.yaml` beside it and never comes back: once the registrar
has unregistered a key, that SuperLink refuses it for good (flwr 1.41), so a node that returns gets a new one.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path

from flowerbed.identities.coordinator import SUPEREXEC_ENTRY
from flowerbed.identities.events import Event, Tell, ignore
from flowerbed.identities.kept import foreign_secret, locked, read_secrets, write_secrets
from flowerbed.identities.manifest import OPAQUE, Secret
from flowerbed.identities.nodekey import NodeKey
from flowerbed.plan import Plan, Tenant

_LEFT = "left the plan; a node that returns under that name gets a new key"


def ensure_node_keys(plan: Plan, tenant: Tenant, folder: Path, tell: Tell = ignore) -> dict[str, NodeKey]:
    """Return a tenant's keys by node name, in the plan's order: kept ones, and new ones for new nodes.

    Empty for a tenant that brings its keys, whose private halves stay there, and for an insecure federation,
    which leaves keys that were made before as they are. Beside them lies the secret that SuperNodes and
    SuperExecs share, where these have pods of their own. Raises IdentityError when a kept key is damaged.
    """
    path = _path(folder, tenant)
    wanted = [node.name for node in tenant.nodes] if makes_keys(plan, tenant) else []
    with locked(folder):
        kept, shared = _entries(path, tell)
        keys = {name: _key(kept, name, path) if name in kept else NodeKey.generate() for name in wanted}
        entries = kept if plan.insecure else {name: key.private for name, key in keys.items()}
        _retire(tenant, path, {name: pem for name, pem in kept.items() if name not in entries}, tell)
        _keep(tenant, path, entries, shared)
    made = [name for name in keys if name not in kept]
    if made:
        tell(Event("made", _count(made), path, ", ".join(made)))
    return keys


def replace_node_keys(tenant: Tenant, nodes: Iterable[str], folder: Path, tell: Tell = ignore) -> None:
    """Give these of a tenant's nodes new keys, and set the old ones aside. Raises IdentityError.

    The tenant's keys have to be made here. The new ones are written in one step, once the old ones are safe.
    """
    path = _path(folder, tenant)
    with locked(folder):
        kept, shared = _entries(path, tell)
        old = {name: kept[name] for name in nodes if name in kept}
        _retire(tenant, path, old, tell, "got a new one; the SuperLink never takes the old one again")
        _keep(tenant, path, kept | {name: NodeKey.generate().private for name in old}, shared)


def read_node_keys(plan: Plan, tenant: Tenant, folder: Path, tell: Tell = ignore) -> dict[str, NodeKey]:
    """Return those of a tenant's keys that are kept, by node name; nothing is made."""
    if not makes_keys(plan, tenant):
        return {}
    path = _path(folder, tenant)
    kept, _ = _entries(path, tell)
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


def _entries(path: Path, tell: Tell) -> tuple[dict[str, bytes], bytes | None]:
    """Return a manifest's node keys and, where it has one, the SuperExecs' secret."""
    kept = read_secrets(path, tell)
    shared = [
        secret.entries[SUPEREXEC_ENTRY] for secret in kept if tuple(secret.entries) == (SUPEREXEC_ENTRY,)
    ]
    keys = [secret.entries for secret in kept if SUPEREXEC_ENTRY not in secret.entries]
    whole = len(shared) <= 1 and len(keys) <= 1 and len(shared) + len(keys) == len(kept)
    if not whole or any(secret.type != OPAQUE for secret in kept):
        raise foreign_secret(path)
    return (keys[0] if keys else {}), (shared[0] if shared else None)


def _keep(tenant: Tenant, path: Path, entries: dict[str, bytes], shared: bytes | None) -> None:
    wanted = [Secret(tenant.keys_secret, tenant.namespace, OPAQUE, entries)] if entries else []
    if tenant.superexec_secret:
        entry = {SUPEREXEC_ENTRY: shared or secrets.token_urlsafe(32).encode()}
        wanted.append(Secret(tenant.superexec_secret, tenant.namespace, OPAQUE, entry))
    if wanted:
        write_secrets(path, wanted, replaces_keys=path.exists())
    else:
        path.unlink(missing_ok=True)


def _retire(tenant: Tenant, manifest: Path, leaving: dict[str, bytes], tell: Tell, why: str = _LEFT) -> None:
    # Before the manifest is written again: an interruption leaves the key in both files, not in none.
    if not leaving:
        return
    path = manifest.with_name("retired-keys.yaml")
    retired, _ = _entries(path, tell)
    retired |= {f"{name}.{hashlib.sha256(pem).hexdigest()[:12]}": pem for name, pem in leaving.items()}
    secret = Secret(f"{tenant.keys_secret}-retired", tenant.namespace, OPAQUE, dict(sorted(retired.items())))
    write_secrets(path, [secret], replaces_keys=True)
    tell(Event("retired", _count(list(leaving)), path, f"{', '.join(leaving)} {why}"))
