"""What parties mount, where they keep state, and which of it their executor can carry."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from msgspec import UNSET

from flowerbed.declaration import grammar
from flowerbed.declaration.findings import Finding, KeyPath, show
from flowerbed.declaration.model import Declaration, Tenant
from flowerbed.declaration.pod_model import Party, SecretUse
from flowerbed.declaration.resolution import server_executor
from flowerbed.declaration.rules.naming import object_name

# What the system, Flower's image and the charts have there already.
_TAKEN = re.compile(
    r"/(?:(?:bin|boot|dev|etc|lib|lib64|proc|python|run|sbin|sys|usr|var/run"
    r"|admission|clients|executor|files|key|loopback|runtime|state|superexec|tls|tmp)(?:/.*)?)?"
)


_MOUNT_LIMIT = 1024


def parties(declaration: Declaration) -> Iterator[tuple[KeyPath, Party]]:
    """Yield the coordinator and the tenants, with their key paths."""
    yield ("superlink",), declaration.superlink
    for index, tenant in enumerate(declaration.tenants):
        yield ("tenants", index), tenant


def secrets(declaration: Declaration) -> Iterator[Finding]:
    """A Secret has a name, is used for something, and is listed once."""
    for path, party in parties(declaration):
        seen: dict[str, int] = {}
        for index, use in enumerate(party.secrets):
            where: KeyPath = (*path, "secrets", index)
            yield from object_name((*where, "name"), use.name, "Secret")
            yield from _used(where, use)
            if seen.setdefault(use.name, index) != index:
                message = f"the Secret {show(use.name)} is already in secrets[{seen[use.name]}]"
                yield Finding((*where, "name"), message, "say `env` and `mount` in one entry")


def _used(path: KeyPath, use: SecretUse) -> Iterator[Finding]:
    if not use.env and not use.mount:
        message = "the Secret is not used: neither as environment nor as files"
        yield Finding(
            path, message, "add env: true, or mount: /path", needs=((*path, "env"), (*path, "mount"))
        )


def mounts(declaration: Declaration) -> Iterator[Finding]:
    """Everything is mounted at a path of its own, where nothing else is."""
    for path, party in parties(declaration):
        seen: dict[str, KeyPath] = {}
        for where, mount in _mounts(path, party):
            yield from _mount(where, mount)
            if (other := seen.setdefault(mount, where)) != where:
                message = f"{show(mount)} is already the mount of {other[-3]}[{other[-2]}]"
                yield Finding(where, message, "give each a path of its own", needs=(other,))


def _mounts(path: KeyPath, party: Party) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(party, Tenant):
        for index, volume in enumerate(party.data):
            yield (*path, "data", index, "mount"), volume.mount
    for index, use in enumerate(party.secrets):
        if use.mount:
            yield (*path, "secrets", index, "mount"), use.mount


def _mount(path: KeyPath, mount: str) -> Iterator[Finding]:
    if (
        not mount.startswith("/")
        or mount.startswith("//")
        or posixpath.normpath(mount) != mount
        or ":" in mount
    ):
        yield Finding(path, f"{show(mount)} is not a normalized absolute path", "write one such as /data")
    elif not mount.isprintable() or len(mount) > _MOUNT_LIMIT:
        yield Finding(path, f"{show(mount)} is too long or unprintable", "write a path such as /data")
    elif _TAKEN.fullmatch(mount):
        message = f"{mount} belongs to the system, to Flower's image or to the charts"
        yield Finding(path, message, "mount it elsewhere, such as at /data")


def claims(declaration: Declaration) -> Iterator[Finding]:
    """Claims have names, and the SuperLink's has a size."""
    for index, tenant in enumerate(declaration.tenants):
        for position, volume in enumerate(tenant.data):
            yield from object_name(("tenants", index, "data", position, "claim"), volume.claim, "claim")
    storage = declaration.superlink.storage
    size = grammar.quantity_size(grammar.quantity(storage.size))
    if not size or size < 0:
        message = f"{show(str(storage.size))} is not a size"
        yield Finding(("superlink", "storage", "size"), message, "write one such as 10Gi")
    if storage.class_:
        yield from object_name(("superlink", "storage", "class"), storage.class_, "StorageClass")


def executors(declaration: Declaration) -> Iterator[Finding]:
    """An executor is named only where one runs, and can carry what its tasks are promised."""
    if server_executor(declaration) == "kubernetes" and declaration.superlink.secrets:
        yield _no_secrets(("superlink",), needs=(("superlink", "executor"), ("users",)))
    for index, tenant in enumerate(declaration.tenants):
        if tenant.executor is UNSET:
            continue
        path: KeyPath = ("tenants", index)
        if tenant.isolation != "process":
            message = "`executor` means nothing with isolation: subprocess"
            remedy = "add isolation: process, or remove the executor"
            yield Finding((*path, "executor"), message, remedy, needs=((*path, "isolation"),))
        if tenant.executor == "kubernetes" and tenant.secrets:
            yield _no_secrets(path, needs=((*path, "executor"),))


def _no_secrets(path: KeyPath, needs: tuple[KeyPath, ...]) -> Finding:
    message = "Flower's Kubernetes executor passes no Secret on to task pods"
    remedy = "declare another `executor`, such as deployment"
    return Finding((*path, "secrets"), message, remedy, needs=needs)


def ports(declaration: Declaration) -> Iterator[Finding]:
    """The ports of the local federation are ports, and no two are the same."""
    local = declaration.local.ports
    declared = {"fleet": local.fleet, "control": local.control, "runtime": local.runtime}
    seen: dict[int, str] = {}
    for audience, port in declared.items():
        path: KeyPath = ("local", "ports", audience)
        if port not in range(65536):
            yield Finding(path, f"{port} is not a port", "write one from 1 to 65535, or 0 for any free one")
        elif port and (other := seen.setdefault(port, audience)) != audience:
            message = f"{port} is already the port of {other}"
            yield Finding(path, message, "give each its own, or 0 for any free one")


RULES = (secrets, mounts, claims, executors, ports)
