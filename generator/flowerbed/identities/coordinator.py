"""The coordinator's identity, in `coordinator/secrets.yaml`: server certificate and SuperExec secret."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from flowerbed.errors import IdentityError
from flowerbed.identities.authority import CertificateAuthority
from flowerbed.identities.certificates import ServerCertificate
from flowerbed.identities.events import Event, Tell, ignore
from flowerbed.identities.kept import locked, read_secrets, warn_of_expiry, write_secrets
from flowerbed.identities.manifest import OPAQUE, TLS, Secret
from flowerbed.plan import Plan

SUPEREXEC_ENTRY = "secret"


@dataclass(frozen=True, slots=True)
class CoordinatorIdentity:
    """What the SuperLink's release holds; `server` is None where its certificate comes from elsewhere.

    `superexec_secret` is URL-safe text of 32 random bytes without a newline: Flower takes every byte of the
    file as the secret (flwr 1.41).
    """

    server: ServerCertificate | None
    superexec_secret: bytes = field(repr=False)


def ensure_coordinator(
    plan: Plan, folder: Path, authority: CertificateAuthority | None, tell: Tell = ignore
) -> CoordinatorIdentity:
    """Return the coordinator's identity that is kept in `folder`, made or renewed where the plan asks for it.

    The server certificate is renewed when it lacks a name of the plan or another CA issued it.
    Raises IdentityError when it is expired or does not match its key.
    """
    path = manifest_path(folder)
    with locked(folder):
        kept = read_secrets(path, tell)
        identity = CoordinatorIdentity(
            _ensure_server(plan, authority, _of_type(kept, TLS, path), tell, path),
            _superexec_secret(kept, path) or secrets.token_urlsafe(32).encode(),
        )
        write_secrets(path, _manifests(plan, authority, identity), replaces_keys=bool(kept))
    return identity


def read_coordinator(
    plan: Plan, folder: Path, authority: CertificateAuthority | None, tell: Tell = ignore
) -> CoordinatorIdentity | None:
    """Return the coordinator's identity as it is kept, or None where a part that the plan wants is missing.

    Raises IdentityError where a part is there but does not serve: expired, another CA's, or lacking a name.
    """
    path = manifest_path(folder)
    kept = read_secrets(path, tell)
    secret = _superexec_secret(kept, path)
    wants_server = serves_own_certificate(plan)
    server = _server(_of_type(kept, TLS, path), path) if wants_server else None
    if secret is None or (wants_server and server is None):
        return None
    if server is not None and authority is not None:
        reason = _outdated(server, plan, authority)
        if reason:
            raise IdentityError(
                f"the server certificate does not serve: {reason}", where=str(path), remedy=_AGAIN
            )
        _check(server, path, tell)
    return CoordinatorIdentity(server, secret)


def manifest_path(folder: Path) -> Path:
    """Return where the coordinator's Secrets are kept."""
    return folder / "coordinator" / "secrets.yaml"


def serves_own_certificate(plan: Plan) -> bool:
    """Return whether the gateway's certificate is made here."""
    return not plan.insecure and plan.superlink.tls.source == "generated"


_AGAIN = "run `flowerbed generate` again"
_REMEDY = f"delete this file and {_AGAIN}: that makes a new certificate and a new SuperExec secret"


def _ensure_server(
    plan: Plan, authority: CertificateAuthority | None, kept: Secret | None, tell: Tell, path: Path
) -> ServerCertificate | None:
    if not serves_own_certificate(plan) or authority is None:
        if kept:
            tell(Event("removed", "server certificate", path, "the plan takes it from elsewhere"))
        return None
    server = _server(kept, path)
    reason = _outdated(server, plan, authority) if server else "none was here"
    if server is not None and not reason:
        _check(server, path, tell)
        return server
    tls = plan.superlink.tls
    made = authority.issue_server(tls.dns_names, tls.ip_addresses, tls.days)
    until = f"{reason}; it is valid until {made.not_after:%Y-%m-%d}"
    if made.not_after == authority.not_after:
        until += ", when the CA ends"
    tell(Event("renewed" if server else "made", "server certificate", path, until))
    return made


def _outdated(server: ServerCertificate, plan: Plan, authority: CertificateAuthority) -> str:
    if not server.issued_by(authority):
        return "another CA issued the last one"
    missing = server.missing(plan.superlink.tls.dns_names, plan.superlink.tls.ip_addresses)
    return f"the last one lacked {', '.join(missing)}" if missing else ""


def _check(server: ServerCertificate, path: Path, tell: Tell) -> None:
    server.check_dates("server certificate", str(path), _REMEDY)
    warn_of_expiry(server, "server certificate", path, tell)


def _server(kept: Secret | None, path: Path) -> ServerCertificate | None:
    if kept is None:
        return None
    if not {"tls.crt", "tls.key"} <= set(kept.entries):
        raise IdentityError("half a pair: tls.crt or tls.key is missing", where=str(path), remedy=_REMEDY)
    return ServerCertificate.checked(kept.entries["tls.crt"], kept.entries["tls.key"], str(path))


def _superexec_secret(kept: tuple[Secret, ...], path: Path) -> bytes | None:
    secret = _of_type(kept, OPAQUE, path)
    if secret is None:
        return None
    if tuple(secret.entries) != (SUPEREXEC_ENTRY,):
        raise IdentityError(
            f"{secret.name} does not consist of `{SUPEREXEC_ENTRY}`", where=str(path), remedy=_REMEDY
        )
    return secret.entries[SUPEREXEC_ENTRY]


def _of_type(kept: tuple[Secret, ...], kind: str, path: Path) -> Secret | None:
    found = [secret for secret in kept if secret.type == kind]
    if len(found) > 1 or any(secret.type not in {TLS, OPAQUE} for secret in kept):
        remedy = "keep Secrets of your own in a file of their own"
        raise IdentityError(
            "it holds a Secret that flowerbed did not put there", where=str(path), remedy=remedy
        )
    return found[0] if found else None


def _manifests(
    plan: Plan, authority: CertificateAuthority | None, identity: CoordinatorIdentity
) -> tuple[Secret, ...]:
    namespace = plan.superlink.namespace
    entries = {SUPEREXEC_ENTRY: identity.superexec_secret}
    superexec = Secret(plan.superlink.superexec_secret, namespace, OPAQUE, entries)
    if identity.server is None or authority is None:
        return (superexec,)
    pair = {
        "tls.crt": identity.server.certificate,
        "tls.key": identity.server.private_key,
        "ca.crt": authority.certificate,
    }
    return Secret(plan.superlink.tls.secret, namespace, TLS, pair), superexec
