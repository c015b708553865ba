"""Writes what a local federation's processes read: certificates, keys, node configs, connections.

Everything comes from the plan and its identities, so it is written anew at each start. Only two things are
made here and kept: stand-ins for node keys that a tenant brings, and the secrets of their executors.
"""

from __future__ import annotations

import runpy
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from flowerbed import documents
from flowerbed.connection import connection_toml
from flowerbed.errors import LocalError
from flowerbed.files import PRIVATE_MODE, make_private_folder, read_file, write_atomic
from flowerbed.flower.programs import kept_revocations
from flowerbed.flower.start import PARTS
from flowerbed.identities import Identities, NodeKey, ServerCertificate
from flowerbed.identities.revocations import key_fingerprint, list_text
from flowerbed.local.commands import (
    LocalLayout,
    execution_file,
    nodes_file,
    revoked_file,
    revoked_users_file,
    secret_file,
    start_folder,
)
from flowerbed.plan import Node, Plan, Tenant, User

_NAMES = ("localhost",)
_ADDRESSES = ("127.0.0.1", "::1")
# Where the declared certificate comes from elsewhere, or lacks the names of this machine.
_STAND_IN_DAYS = 365


# What Flower's processes load at their start, as the charts mount it: what Python finds, and its parts.
START = {
    "sitecustomize.py": "sitecustomize.py",
    **{f"{name}.py": f"flowerbed_start/{name}.py" for name in PARTS},
}


def write_start(folder: Path, flower: Path) -> None:
    """Write what Flower's processes need on their PYTHONPATH (`flower/start/sitecustomize.py`).

    Raises FlowerbedError.
    """
    for name, place in START.items():
        file = folder / place
        make_private_folder(file.parent)
        write_atomic(file, (flower / "start" / name).read_bytes(), PRIVATE_MODE)


def write_files(layout: LocalLayout, identities: Identities) -> None:
    """Write every file of the state directory that a process reads. Raises FlowerbedError."""
    write_start(start_folder(layout), layout.flower)
    for folder in ("superlink/tls", "superlink/tmp", "superexec/work", "superexec/tmp", "gateway", "users"):
        make_private_folder(layout.directory.path / folder)
    if not layout.plan.insecure:
        # The same program makes this certificate in the SuperLink's pod.
        runpy.run_path(str(layout.gateway_config.with_name("loopback.py")))["main"](layout.loopback)
    execution_file(layout.directory.path / "superexec").unlink(missing_ok=True)
    write_atomic(secret_file(layout), identities.superexec_secret, PRIVATE_MODE)
    if layout.gateway and not layout.plan.insecure:
        _write_gateway(layout, identities)
    keys = {
        node.name: _write_node(layout, tenant, node, identities)
        for tenant in layout.plan.tenants
        for node in tenant.nodes
    }
    revoked = identities.revoked
    declared = {
        name: key.public.decode()
        for name, key in keys.items()
        if key and key_fingerprint(key.public.decode()) not in revoked.keys
    }
    admitted = "".join(f"{key_fingerprint(key)}\n" for key in declared.values())
    hashes = f"# SHA-256\n{admitted}".encode()
    write_atomic(layout.directory.path / "gateway" / "admitted-keys", hashes, PRIVATE_MODE)
    write_atomic(nodes_file(layout), documents.encode(declared, indent=0), PRIVATE_MODE)
    write_atomic(revoked_file(layout), "".join(f"{key}\n" for key in revoked.keys).encode(), PRIVATE_MODE)
    _keep_revocations(layout)
    _write_connections(layout, identities)
    _drop(layout.directory.path / "nodes", keys)
    _drop(layout.directory.path / "users", [user.name for user in layout.plan.users])


def _counting(plan: Plan, identities: Identities) -> tuple[User, ...]:
    """Return the users whose certificates count: the others are not let in, and submit nothing."""
    revoked, pairs = identities.revoked, identities.users
    if plan.insecure:
        return plan.users
    held = [user for user in plan.users if user.name in pairs]
    return tuple(user for user in held if not revoked.covers(user.name, pairs[user.name].not_before))


def _write_gateway(layout: LocalLayout, identities: Identities) -> None:
    folder, authority = layout.directory.path / "gateway", identities.authority
    assert authority is not None  # noqa: S101  (only insecure federations have none)
    server = identities.server
    if not serves_here(server):
        server = authority.issue_server(_NAMES, _ADDRESSES, _STAND_IN_DAYS)
    assert server is not None  # noqa: S101  (made above where it was missing)
    write_atomic(folder / "tls.crt", server.certificate, PRIVATE_MODE)
    write_atomic(folder / "tls.key", server.private_key, PRIVATE_MODE)
    write_atomic(folder / "ca.crt", identities.authorities, PRIVATE_MODE)
    write_atomic(folder / "loopback-ca.crt", (layout.loopback / "ca.crt").read_bytes(), PRIVATE_MODE)
    users = "".join(f"{user.name} {user.role}\n" for user in _counting(layout.plan, identities))
    write_atomic(folder / "users", users.encode(), PRIVATE_MODE)
    write_atomic(revoked_users_file(layout), list_text(identities.revoked.users).encode(), PRIVATE_MODE)


def _keep_revocations(layout: LocalLayout) -> None:
    """Merge what is revoked into the list that only grows, as in the SuperLink's pod."""
    if layout.plan.insecure:
        return
    new, _ = kept_revocations.declared(revoked_users_file(layout), revoked_file(layout))
    try:
        kept_revocations.keep(layout.directory.revoked, new)
    except kept_revocations.DamagedError as error:
        raise LocalError(
            f"{kept_revocations.DAMAGED}: {error}",
            where=str(layout.directory.revoked),
            remedy="put the file back from a copy; if revoked.json in the bundles is complete, delete the"
            " directory: `flowerbed up` fills it from there",
        ) from None


def serves_here(server: ServerCertificate | None) -> bool:
    """Return whether the federation's own certificate can be used on this machine."""
    return server is not None and not server.missing(_NAMES, _ADDRESSES[:1])


def _write_node(layout: LocalLayout, tenant: Tenant, node: Node, identities: Identities) -> NodeKey | None:
    import tomli_w

    folder = layout.directory.node(node.name)
    make_private_folder(folder / "work")
    make_private_folder(folder / "tmp")
    execution_file(folder).unlink(missing_ok=True)
    write_atomic(folder / "node.toml", tomli_w.dumps(tenant.node_config(node)).encode(), PRIVATE_MODE)
    if tenant.isolation == "process" and not (folder / "secret").exists():
        write_atomic(folder / "secret", secrets.token_urlsafe(32).encode(), PRIVATE_MODE)
    if layout.plan.insecure:
        return None
    key = identities.node_keys.get(node.name) or _stand_in(folder / "key")
    write_atomic(folder / "key", key.private, PRIVATE_MODE)
    return key


def _stand_in(file: Path) -> NodeKey:
    kept = read_file(file, PRIVATE_MODE)
    return NodeKey.from_private(kept.data, str(file)) if kept else NodeKey.generate()


def _write_connections(layout: LocalLayout, identities: Identities) -> None:
    plan, users = layout.plan, layout.directory.path / "users"
    insecure = plan.insecure
    past = connection_toml(
        layout.superlink, insecure=insecure, root_certificates="" if insecure else "tls/ca.crt"
    )
    write_atomic(layout.directory.connection_past_gateway, past.encode(), PRIVATE_MODE)
    for user in plan.users:
        folder = users / user.name
        make_private_folder(folder)
        if not insecure:
            write_atomic(folder / "ca.crt", layout.root_certificates.read_bytes(), PRIVATE_MODE)
        if user.name in identities.users:
            write_atomic(folder / "client.crt", identities.users[user.name].certificate, PRIVATE_MODE)
            write_atomic(folder / "client.key", identities.users[user.name].private_key, PRIVATE_MODE)
        write_atomic(
            layout.directory.user_connection(user.name), _connection(layout, "").encode(), PRIVATE_MODE
        )
    # Who submits when nobody is named.
    first = next((user for user in _counting(plan, identities) if user.role != "viewer"), None)
    # With no user who may submit, this machine's own user still can, past the gateway.
    default = (
        _connection(layout, f"{first.name}/")
        if first
        else past.replace("tls/ca.crt", "../superlink/tls/ca.crt")
    )
    write_atomic(users / "default.toml", default.encode(), PRIVATE_MODE)


def _connection(layout: LocalLayout, folder: str) -> str:
    """Return the text of a user's connection whose files lie in `folder` ("" or ending in "/")."""
    if layout.plan.insecure:
        return connection_toml(layout.address("control"), insecure=True)
    client = layout.gateway
    return connection_toml(
        layout.address("control"),
        root_certificates=f"{folder}ca.crt",
        client_certificate=f"{folder}client.crt" if client else "",
        client_key=f"{folder}client.key" if client else "",
    )


def _drop(folder: Path, keep: Iterable[str]) -> None:
    """Remove the folders of parties that are declared no longer: they hold keys."""
    kept = set(keep)
    for entry in folder.iterdir() if folder.is_dir() else ():
        if entry.is_dir() and entry.name not in kept:
            shutil.rmtree(entry)
