"""Every certificate of a federation with the days that it has left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from flowerbed.errors import IdentityError
from flowerbed.files import PRIVATE_MODE, PUBLIC_MODE, read_file
from flowerbed.identities import clock
from flowerbed.identities.certificates import EXPIRY_NOTICE
from flowerbed.identities.coordinator import makes_server_certificate
from flowerbed.identities.kept import shared
from flowerbed.identities.manifest import parse
from flowerbed.identities.revocations import read_revocations
from flowerbed.identities.trust import CURRENT, NEXT, PREVIOUS
from flowerbed.plan import Plan

State = Literal["valid", "expiring", "not yet valid", "expired", "revoked"]


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate: what it is for, its file, its end (ISO 8601, UTC) and the whole days until then."""

    what: str
    file: str
    state: State
    not_after: str
    days_left: int
    sha256: str


def inventory(plan: Plan, folder: Path) -> list[Certificate]:
    """Return the certificates in a bundle folder: CA, gateway, users. Raises IdentityError for damaged ones.

    Nothing is refused for its age here. Those of a gateway that is certified elsewhere are not in the folder.
    """
    if plan.insecure:
        return []
    with shared(folder):
        revoked = read_revocations(folder).certificates
        return [_described(what, where, pem, revoked) for what, where, pem in _found(plan, folder)]


def _found(plan: Plan, folder: Path) -> Iterator[tuple[str, str, bytes]]:
    for what, name in (("CA", CURRENT), ("next CA", NEXT), ("previous CA", PREVIOUS)):
        if found := read_file(folder / "ca" / name, PUBLIC_MODE):
            yield what, str(folder / "ca" / name), found.data
    path = folder / "coordinator" / "secrets.yaml"
    if makes_server_certificate(plan) and (manifest := read_file(path, PRIVATE_MODE)):
        for secret in parse(manifest.data, path):
            if "tls.crt" in secret.entries:
                yield "gateway", f"{path}: tls.crt", secret.entries["tls.crt"]
    for user in plan.users:
        path = folder / "users" / user.name / "client.crt"
        if found := read_file(path, PUBLIC_MODE):
            yield f"user {user.name}", str(path), found.data


def _described(what: str, where: str, pem: bytes, revoked: dict[str, str]) -> Certificate:
    try:
        parsed = x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise IdentityError("this is no certificate in PEM", where=where) from None
    fingerprint = parsed.fingerprint(SHA256()).hex()
    begin, end, now = parsed.not_valid_before_utc, parsed.not_valid_after_utc, clock.now()
    state: State = "valid"
    if fingerprint in revoked:
        state = "revoked"
    elif now > end:
        state = "expired"
    elif now < begin:
        state = "not yet valid"
    elif end - now < min(EXPIRY_NOTICE, (end - begin) / 3):
        state = "expiring"
    return Certificate(
        what=what,
        file=where,
        state=state,
        not_after=end.isoformat(),
        days_left=(end - now).days,
        sha256=fingerprint,
    )
