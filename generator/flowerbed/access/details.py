"""What a connection says of itself: whom it trusts, as whom it comes, for how long."""

from __future__ import annotations

from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from flowerbed.errors import UsageError
from flowerbed.flower.connection import Connection
from flowerbed.identities.ca_bundle import fingerprints_of
from flowerbed.identities.certificates import ClientCertificate, KeyPair
from flowerbed.identities.validity import now


class ConnectionDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A connection; what does not apply is "", None or empty.

    `tls_name` is the name that the server's certificate must carry, `ca_fingerprints` are the SHA-256 of the
    trusted CA certificates in hexadecimal (empty: the system's trust), `user` and `role` are CN and OU of
    the client certificate, `not_after` is ISO 8601 in UTC, `days_left` whole days, negative once it expired.
    """

    address: str
    federation: str
    insecure: bool
    tls_name: str
    root_certificates: str
    ca_fingerprints: tuple[str, ...]
    client_certificate: str
    user: str
    role: str
    not_after: str
    days_left: int | None


def details(connection: Connection) -> ConnectionDetails:
    """Return what a connection says, without calling anybody. Raises UsageError for files that are none."""
    shown = _client(connection.client_certificate) if connection.client_certificate else None
    return ConnectionDetails(
        address=connection.address,
        federation=connection.federation,
        insecure=connection.insecure,
        tls_name="" if connection.insecure else connection.host,
        root_certificates=_path(connection.root_certificates),
        ca_fingerprints=_fingerprints(connection.root_certificates) if connection.root_certificates else (),
        client_certificate=_path(connection.client_certificate),
        user=shown.name if shown else "",
        role=shown.role if shown else "",
        not_after=shown.not_after.isoformat() if shown else "",
        days_left=(shown.not_after - now()).days if shown else None,
    )


def common_name(der: bytes) -> str:
    """Return the subject's CN of a certificate in DER, "" where it has none."""
    pem = x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
    return KeyPair(pem, b"").common_name


def _client(file: Path) -> ClientCertificate:
    shown = ClientCertificate(_read(file), b"")
    try:
        _ = shown.parsed
    except ValueError:
        raise UsageError("this is not a certificate (PEM)", where=str(file)) from None
    return shown


def _fingerprints(file: Path) -> tuple[str, ...]:
    try:
        return fingerprints_of(_read(file))
    except ValueError:
        raise UsageError("these are not certificates (PEM)", where=str(file)) from None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(file)) from None


def _path(path: Path | None) -> str:
    return str(path.absolute()) if path else ""
