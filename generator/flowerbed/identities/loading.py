"""All identities of a federation, read and checked; nothing is made here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from flowerbed.errors import IdentityError
from flowerbed.identities.authority import CertificateAuthority
from flowerbed.identities.authority_store import read_authority
from flowerbed.identities.ca_bundle import trusted
from flowerbed.identities.certificates import ClientCertificate, ServerCertificate
from flowerbed.identities.coordinator import read_coordinator
from flowerbed.identities.node_keys import NodeKey, makes_keys, read_node_keys
from flowerbed.identities.revocations import Revocations, read_revocations
from flowerbed.identities.store import Tell, ignore, shared
from flowerbed.identities.users import read_user
from flowerbed.plan import Plan


@dataclass(frozen=True, slots=True)
class Identities:
    """Every identity that the plan asks for; `users` by user name, `node_keys` by node name.

    `authority` is None for an insecure federation, `server` where the certificate comes from elsewhere.
    `node_keys` lacks the nodes of tenants that bring their keys. `authorities` are the CA certificates (PEM)
    that everybody trusts: two while the CA is rotated.
    """

    authority: CertificateAuthority | None
    server: ServerCertificate | None
    users: dict[str, ClientCertificate]
    node_keys: dict[str, NodeKey]
    superexec_secret: bytes = field(repr=False)
    authorities: bytes = b""
    revoked: Revocations = field(default_factory=Revocations)


def load(plan: Plan, folder: Path, tell: Tell = ignore, *, without: Collection[str] = ()) -> Identities:
    """Return the identities that are kept in `folder`; those of users and tenants in `without` are left out.

    `without` are parties as a generation names them: `users/ann`, `tenants/north`. Raises IdentityError with
    everything else that is missing, or with what is expired, mismatched or half there.
    """
    plan = replace(
        plan,
        users=tuple(user for user in plan.users if f"users/{user.name}" not in without),
        tenants=tuple(tenant for tenant in plan.tenants if f"tenants/{tenant.name}" not in without),
    )
    with shared(folder):
        authority = None if plan.insecure else read_authority(plan, folder, tell)
        coordinator = read_coordinator(plan, folder, authority, tell)
        users = _users(plan, folder, authority, tell)
        authorities, revoked = trusted(folder), read_revocations(folder)
        keys = {
            name: key
            for tenant in plan.tenants
            for name, key in read_node_keys(plan, tenant, folder, tell).items()
        }
    missing = [
        *([] if authority or plan.insecure else ["the CA"]),
        *([] if coordinator else ["the coordinator's Secrets"]),
        *_missing_parts(plan, {*users, *revoked.users}, keys),
    ]
    if coordinator is None or missing:
        what = f"not made yet: {', '.join(missing)}"
        raise IdentityError(what, where=str(folder), remedy="run `flowerbed generate` first")
    secret = coordinator.superexec_secret
    return Identities(authority, coordinator.server, users, keys, secret, authorities, revoked)


def _users(
    plan: Plan, folder: Path, authority: CertificateAuthority | None, tell: Tell
) -> dict[str, ClientCertificate]:
    if authority is None:
        return {}
    certificates = {user.name: read_user(user, folder, authority, tell) for user in plan.users}
    return {name: certificate for name, certificate in certificates.items() if certificate}


def _missing_parts(plan: Plan, users: set[str], keys: dict[str, NodeKey]) -> list[str]:
    nodes = [node.name for tenant in plan.tenants if makes_keys(plan, tenant) for node in tenant.nodes]
    people = [] if plan.insecure else [user.name for user in plan.users]
    return [
        *(f"the certificate of user {name}" for name in people if name not in users),
        *(f"the key of node {name}" for name in nodes if name not in keys),
    ]
