"""All identities of a federation, read and checked; nothing is made here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from flowerbed.errors import IdentityError
from flowerbed.identities.authority import CertificateAuthority, read_authority
from flowerbed.identities.certificates import ClientCertificate, ServerCertificate
from flowerbed.identities.coordinator import read_coordinator
from flowerbed.identities.events import Tell, ignore
from flowerbed.identities.kept import locked
from flowerbed.identities.nodekey import NodeKey
from flowerbed.identities.tenants import read_node_keys, uses_keys
from flowerbed.identities.users import read_user
from flowerbed.plan import Plan


@dataclass(frozen=True, slots=True)
class Identities:
    """Every identity that the plan asks for; `users` by user name, `node_keys` by node name.

    `authority` is None for an insecure federation, `server` where the certificate comes from elsewhere.
    """

    authority: CertificateAuthority | None
    server: ServerCertificate | None
    users: dict[str, ClientCertificate]
    node_keys: dict[str, NodeKey]
    superexec_secret: bytes = field(repr=False)


def load(plan: Plan, folder: Path, tell: Tell = ignore) -> Identities:
    """Return the identities that are kept in `folder`.

    Raises IdentityError with everything that is missing, or with what is expired, mismatched or half there.
    """
    if not folder.is_dir():
        raise IdentityError("no identities are here yet", where=str(folder), remedy=_REMEDY)
    with locked(folder):
        return _load(plan, folder, tell)


_REMEDY = "run `flowerbed generate` first"


def _load(plan: Plan, folder: Path, tell: Tell) -> Identities:
    authority = None if plan.insecure else read_authority(folder, tell)
    coordinator = read_coordinator(plan, folder, authority, tell)
    users = {
        user.name: certificate
        for user in plan.users
        if authority and (certificate := read_user(user, folder, authority, tell))
    }
    keys = {
        name: key
        for tenant in plan.tenants
        for name, key in read_node_keys(plan, tenant, folder, tell).items()
    }
    missing = _missing(plan, authority, users, keys)
    if coordinator is None or missing:
        missing = missing if coordinator else ["the coordinator's Secrets", *missing]
        raise IdentityError(f"missing here: {', '.join(missing)}", where=str(folder), remedy=_REMEDY)
    return Identities(authority, coordinator.server, users, keys, coordinator.superexec_secret)


def _missing(
    plan: Plan,
    authority: CertificateAuthority | None,
    users: dict[str, ClientCertificate],
    keys: dict[str, NodeKey],
) -> list[str]:
    if plan.insecure:
        return []
    nodes = [node.name for tenant in plan.tenants if uses_keys(plan, tenant) for node in tenant.nodes]
    return [
        *(["the CA"] if authority is None else []),
        *(f"the certificate of user {user.name}" for user in plan.users if user.name not in users),
        *(f"the key of node {name}" for name in nodes if name not in keys),
    ]
