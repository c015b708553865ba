"""All identities of a federation: read and checked, or listed with their state; nothing is made here."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from msgspec.structs import replace

from flowerbed.errors import IdentityError
from flowerbed.files import PRIVATE_MODE, PUBLIC_MODE, read_file
from flowerbed.identities import validity
from flowerbed.identities.authority import CertificateAuthority
from flowerbed.identities.authority_store import read_authority
from flowerbed.identities.ca_bundle import CURRENT, NEXT, PREVIOUS, trusted
from flowerbed.identities.certificates import (
    ClientCertificate,
    KeyPair,
    KeyPairLocation,
    ServerCertificate,
    parse_certificate,
)
from flowerbed.identities.coordinator import makes_server_certificate, read_coordinator
from flowerbed.identities.issued import Issued, Kind, described, read_issued
from flowerbed.identities.node_keys import NodeKey, makes_keys, read_node_keys
from flowerbed.identities.revocations import Revocations, read_revocations
from flowerbed.identities.secret_manifest import parse
from flowerbed.identities.store import Tell, ignore, shared
from flowerbed.identities.users import read_user
from flowerbed.identities.validity import authority_notice
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


State = Literal["valid", "expiring", "not yet valid", "expired", "revoked", "untrusted", "damaged"]
USABLE = frozenset({"valid", "expiring", "revoked"})


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate: what it is for, its begin and end (ISO 8601, UTC), and the whole days until the end.

    `file` is where it is kept, "" for an earlier one that was replaced, of which copies may exist;
    `fingerprint` is the SHA-256 of its DER form, "" likewise. `serial` is hexadecimal. A damaged file has
    no dates and no serial.
    """

    what: str
    file: str
    state: State
    role: str = ""
    serial: str = ""
    not_before: str = ""
    not_after: str = ""
    days_left: int = 0
    fingerprint: str = ""


def inventory(plan: Plan, folder: Path) -> list[Certificate]:
    """Return the certificates in a bundle folder (CA, gateway, users), then earlier ones that have not ended.

    Nothing is refused for its age or damage here. Those of a gateway that is certified elsewhere are not in
    the folder.
    """
    if plan.insecure:
        return []
    with shared(folder):
        states = _States(plan, folder)
        present = [states.kept(*each) for each in _found(plan, folder)]
        serials = {each.serial for each in present}
        earlier = [each for each in read_issued(folder) if each.serial not in serials]
    return present + [states.certificate(each) for each in earlier if each.not_after >= validity.now()]


class _States:
    """What decides on a certificate's state: revocations, the CAs that are trusted, and how old is old."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        hours = plan.superlink.tls.renew_hours
        self._notices = {"ca": authority_notice(plan)}
        self._notice = timedelta(hours=hours)
        self._revoked: Revocations = read_revocations(folder)
        self._authorities: set[str] = set()

    def kept(self, kind: Kind, what: str, where: str, pem: bytes) -> Certificate:
        """Return a certificate at hand; CAs have to come first."""
        try:
            parsed = parse_certificate(pem, KeyPairLocation(what, where, where, ""))
        except IdentityError:
            return Certificate(what=what, file=where, state="damaged")
        issued = described(kind, KeyPair(pem, b""))
        if kind == "ca":
            self._authorities.add(issued.issuer)
        return self.certificate(issued, what, where, parsed.fingerprint(SHA256()).hex())

    def certificate(
        self, issued: Issued, what: str = "", file: str = "", fingerprint: str = ""
    ) -> Certificate:
        """Return a certificate as it is listed."""
        names = {"ca": "earlier CA", "server": "gateway, earlier", "user": f"user {issued.name}, earlier"}
        return Certificate(
            what=what or names[issued.kind],
            file=file,
            state=self._state(issued),
            role=issued.role,
            serial=issued.serial,
            not_before=issued.not_before.isoformat(),
            not_after=issued.not_after.isoformat(),
            days_left=(issued.not_after - validity.now()).days,
            fingerprint=fingerprint,
        )

    def _state(self, issued: Issued) -> State:
        if issued.kind == "user" and self._revoked.covers(issued.name, issued.not_before):
            return "revoked"
        if issued.issuer not in self._authorities:
            return "untrusted"
        return _by_date(issued.not_before, issued.not_after, self._notices.get(issued.kind, self._notice))


def _by_date(begin: datetime, end: datetime, notice: timedelta) -> State:
    now = validity.now()
    if now > end:
        return "expired"
    if now < begin:
        return "not yet valid"
    return "expiring" if end - now < notice else "valid"


def _found(plan: Plan, folder: Path) -> Iterator[tuple[Kind, str, str, bytes]]:
    for what, name in (("CA", CURRENT), ("next CA", NEXT), ("previous CA", PREVIOUS)):
        if file := read_file(folder / "ca" / name, PUBLIC_MODE):
            yield "ca", what, str(folder / "ca" / name), file.data
    path = folder / "coordinator" / "secrets.yaml"
    if makes_server_certificate(plan) and (manifest := read_file(path, PRIVATE_MODE)):
        yield "server", "gateway", f"{path}: tls.crt", _server_certificate(manifest.data, path)
    for user in plan.users:
        path = folder / "users" / user.name / "client.crt"
        if file := read_file(path, PUBLIC_MODE):
            yield "user", f"user {user.name}", str(path), file.data


def _server_certificate(manifest: bytes, path: Path) -> bytes:
    """Return the gateway's certificate, b"" where the manifest is damaged or has none."""
    try:
        secrets = [each.entries for each in parse(manifest, path)]
    except IdentityError:
        return b""
    return next((entries["tls.crt"] for entries in secrets if "tls.crt" in entries), b"")
