"""The coordinator's identity, in `coordinator/secrets.yaml`: server certificate and SuperExec secret."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from flowerbed import names
from flowerbed.errors import IdentityError
from flowerbed.identities.authority import CertificateAuthority
from flowerbed.identities.ca_bundle import trusted
from flowerbed.identities.certificates import KeyPairLocation, ServerCertificate
from flowerbed.identities.issued import record_issued
from flowerbed.identities.secret_manifest import OPAQUE, TLS, Secret
from flowerbed.identities.store import (
    Event,
    Tell,
    foreign_secret,
    ignore,
    locked,
    read_secrets,
    warn_of_expiry,
    write_secrets,
)
from flowerbed.identities.validity import renewal_reason
from flowerbed.plan import Plan

SUPEREXEC_ENTRY = "secret"
_CA_ENTRY = "ca.crt"
_SERVER_ENTRIES = ("tls.crt", "tls.key", _CA_ENTRY)
# What the file may hold, one of each.
_SHAPES = ((SUPEREXEC_ENTRY,), (_CA_ENTRY,), _SERVER_ENTRIES)


@dataclass(frozen=True, slots=True)
class CoordinatorIdentity:
    """What the SuperLink's release holds; `server` is None where its certificate comes from elsewhere.

    `superexec_secret` is URL-safe text of 32 random bytes without a newline: Flower takes every byte of the
    file as the secret (flwr 1.41).
    """

    server: ServerCertificate | None
    superexec_secret: bytes = field(repr=False)


def ensure_coordinator(
    plan: Plan,
    folder: Path,
    authority: CertificateAuthority | None,
    tell: Tell = ignore,
    *,
    renew: str = "",
) -> CoordinatorIdentity:
    """Return the coordinator's identity that is kept in `folder`, made or renewed where the plan asks for it.

    The server certificate is renewed in the last part of its life, when it lacks a name of the plan or
    another CA issued it, and whenever `renew` gives a reason. Without an `authority`, as when the CA cannot
    be used, all stays as it is. Raises IdentityError when it does not match its key, or is expired and not
    renewed.
    """
    path = _path(folder)
    if authority is None and not plan.insecure:
        as_kept = read_coordinator(plan, folder, None, tell)
        if as_kept is None:
            raise IdentityError("a Secret is missing, and there is no CA that can sign one", where=str(path))
        return as_kept
    with locked(folder):
        kept = _read(path, tell)
        server = _ensure_server(plan, authority, _server(kept, path), path, tell, renew)
        secret = kept.get((SUPEREXEC_ENTRY,), {}).get(SUPEREXEC_ENTRY)
        if secret is None:
            secret = secrets.token_urlsafe(32).encode()
            tell(Event("made", "SuperExec secret", path, "there was none"))
        identity = CoordinatorIdentity(server, secret)
        write_secrets(path, _manifests(plan, trusted(folder), identity), replaces_keys=bool(kept))
    return identity


def read_coordinator(
    plan: Plan, folder: Path, authority: CertificateAuthority | None, tell: Tell = ignore
) -> CoordinatorIdentity | None:
    """Return the coordinator's identity as it is kept, or None where a part that the plan wants is missing.

    Raises IdentityError where a part is there but does not serve: expired, another CA's, or lacking a name.
    """
    path = _path(folder)
    kept = _read(path, tell)
    secret = kept.get((SUPEREXEC_ENTRY,), {}).get(SUPEREXEC_ENTRY)
    server = _server(kept, path) if makes_server_certificate(plan) else None
    if secret is None or (server is None and makes_server_certificate(plan)):
        return None
    if server is not None and authority is not None:
        reason = _unfit(server, plan, authority)
        if reason:
            what = f"the server certificate does not serve: {reason}"
            raise IdentityError(what, where=str(path), remedy="run `flowerbed generate` again")
        _check(server, path, tell)
    return CoordinatorIdentity(server, secret)


def kept_authorities(folder: Path) -> bytes:
    """Return the CA certificates (PEM) in the coordinator's Secret, b"" without. Raises IdentityError."""
    kept = _read(_path(folder), ignore)
    return next((entries[_CA_ENTRY] for entries in kept.values() if _CA_ENTRY in entries), b"")


def makes_server_certificate(plan: Plan) -> bool:
    """Return whether the gateway's certificate is made here, by the federation's own CA."""
    return not plan.insecure and plan.superlink.tls.source == "generated"


def _path(folder: Path) -> Path:
    return folder / "coordinator" / "secrets.yaml"


def _place(path: Path) -> KeyPairLocation:
    remedy = "delete this file and run `flowerbed generate` again, which creates all of it again"
    return KeyPairLocation("server certificate", f"{path}: tls.crt", f"{path}: tls.key", remedy)


def _read(path: Path, tell: Tell) -> dict[tuple[str, ...], dict[str, bytes]]:
    # The entries tell the Secrets apart: their names follow the plan, which may have changed.
    kept = read_secrets(path, tell)
    by_entries = {tuple(secret.entries): secret.entries for secret in kept}
    if len(by_entries) != len(kept) or not by_entries.keys() <= set(_SHAPES):
        raise foreign_secret(path)
    return by_entries


def _server(kept: dict[tuple[str, ...], dict[str, bytes]], path: Path) -> ServerCertificate | None:
    entries = kept.get(_SERVER_ENTRIES)
    return (
        ServerCertificate.checked(entries["tls.crt"], entries["tls.key"], _place(path)) if entries else None
    )


def _ensure_server(
    plan: Plan,
    authority: CertificateAuthority | None,
    kept: ServerCertificate | None,
    path: Path,
    tell: Tell,
    renew: str,
) -> ServerCertificate | None:
    if authority is None or not makes_server_certificate(plan):
        if kept:
            tell(Event("removed", "server certificate", path, "the plan does not use one that is made here"))
        return None
    reason = (renew or _outdated(kept, plan, authority)) if kept else "there was none"
    if kept is None or reason:
        tls = plan.superlink.tls
        old, kept = kept, authority.issue_server(tls.dns_names, tls.ip_addresses, tls.days)
        record_issued(path.parents[1], "server", [old, kept])
        text = f"{reason}; {authority.life(kept)}"
        tell(Event("renewed" if old else "made", "server certificate", path, text))
    _check(kept, path, tell)
    return kept


def _unfit(server: ServerCertificate, plan: Plan, authority: CertificateAuthority) -> str:
    if not server.issued_by(authority):
        return "another CA issued the last one"
    missing = server.missing(plan.superlink.tls.dns_names, plan.superlink.tls.ip_addresses)
    return f"the last one lacks {', '.join(missing)}" if missing else ""


def _outdated(server: ServerCertificate, plan: Plan, authority: CertificateAuthority) -> str:
    """Return why the certificate is renewed: it is unfit, or old."""
    next_end = authority.end_of_life(plan.superlink.tls.days)
    return _unfit(server, plan, authority) or renewal_reason(plan, server.not_after, next_end)


def _check(server: ServerCertificate, path: Path, tell: Tell) -> None:
    server.check_dates(_place(path))
    warn_of_expiry(server, _place(path), tell)


def _manifests(plan: Plan, authorities: bytes, identity: CoordinatorIdentity) -> list[Secret]:
    release, namespace = plan.superlink.release, plan.superlink.namespace
    superexec = {SUPEREXEC_ENTRY: identity.superexec_secret}
    manifests = [Secret(plan.superlink.superexec_secret, namespace, OPAQUE, superexec)]
    if plan.insecure:
        return manifests
    root = {_CA_ENTRY: authorities}
    if identity.server is None:
        # Whoever certifies the server knows nothing of our users: the gateway needs their CA by itself.
        return [*manifests, Secret(names.client_ca_secret(release), namespace, OPAQUE, root)]
    pair = {"tls.crt": identity.server.certificate, "tls.key": identity.server.private_key, **root}
    return [Secret(plan.superlink.tls.secret, namespace, TLS, pair), *manifests]
