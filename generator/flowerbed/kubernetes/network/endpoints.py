"""The gateway's endpoints, really dialled: which certificate they show, for which names, until when."""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from flowerbed.errors import UsageError
from flowerbed.flower.proxy import connected
from flowerbed.identities.ca_bundle import fingerprints_of
from flowerbed.plan import Endpoint

CONNECT_TIMEOUT = 3.0
RETRY_INTERVAL = 0.2
# OpenSSL's numbers (x509_vfy.h) for what may be wrong with a certificate.
_DATES = {9: "is not valid yet", 10: "has expired"}
_WRONG_NAME = {62, 64}
How = Literal["dialled", "port-forward", "not reached"]


class EndpointStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An audience's endpoint. `how` tells on which way the certificate was seen; fingerprints are SHA-256,
    `ca_fingerprints` of all CAs that the parties trust (two while the CA is rotated; none: the system's).

    `not_after` is ISO 8601 in UTC, `days_left` whole days; both are of the certificate that was shown.
    `problem` says why the parties cannot trust it, or why nobody answers.
    """

    audience: str
    address: str
    exposure: str
    how: How = "not reached"
    tls_names: tuple[str, ...] = ()
    fingerprint: str = ""
    ca_fingerprints: tuple[str, ...] = ()
    not_after: str = ""
    days_left: int | None = None
    problem: str = ""


def dial(
    audience: str, endpoint: Endpoint, trusted: bytes, *, insecure: bool, forwarded: int = 0
) -> EndpointStatus:
    """Return what the endpoint shows; `forwarded` is a loopback port that leads there, 0 to dial it itself.

    `trusted` are the CA certificates (PEM) of those whom its parties trust, b"" for the system's trust.
    """
    blank = EndpointStatus(
        audience=audience,
        address=endpoint.address,
        exposure=endpoint.type,
    )
    if trusted and not insecure:
        try:
            blank = msgspec.structs.replace(blank, ca_fingerprints=fingerprints_of(trusted))
        except ValueError:
            return msgspec.structs.replace(blank, problem="the CA certificates in the bundles are damaged")
    at = ("127.0.0.1", forwarded) if forwarded else (endpoint.host, endpoint.port)
    how: How = "port-forward" if forwarded else "dialled"
    try:
        if insecure:
            socket.create_connection(at, timeout=CONNECT_TIMEOUT).close()
            return msgspec.structs.replace(blank, how=how)
        try:
            shown, problem = _shown(at, endpoint.host, _verified_context(trusted)), ""
        except ssl.SSLCertVerificationError as error:
            shown, problem = (
                _shown(at, endpoint.host, _unverified_context()),
                _verdict(error, endpoint, trusted),
            )
    except (OSError, UsageError) as error:
        reason = getattr(error, "strerror", "") or str(error)
        return msgspec.structs.replace(blank, problem=f"{endpoint.address}: {reason}")
    return msgspec.structs.replace(blank, how=how, problem=problem, **_facts(shown))


def unreachable(endpoints: Sequence[Endpoint], seconds: float) -> list[Endpoint]:
    """Return the endpoints that no connection can be made to from here, asking again for some seconds.

    A Service leads to a new pod a moment after the pod is ready: once every machine has heard of it.
    """
    end = time.monotonic() + seconds
    waiting = list(endpoints)
    while waiting := [endpoint for endpoint in waiting if not _connects(endpoint)]:
        if time.monotonic() > end:
            break
        time.sleep(RETRY_INTERVAL)
    return waiting


def _connects(endpoint: Endpoint) -> bool:
    try:
        connected(endpoint.host, endpoint.port, CONNECT_TIMEOUT).close()
    except (OSError, UsageError):
        return False
    return True


def _shown(at: tuple[str, int], host: str, context: ssl.SSLContext) -> bytes:
    """Return the certificate (DER) that a listener shows to whoever dials `host`."""
    with (
        connected(*at, CONNECT_TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname=host) as stream,
    ):
        return stream.getpeercert(binary_form=True) or b""


def _verified_context(trusted: bytes) -> ssl.SSLContext:
    # A given CA replaces the system's trust, as in Flower's own clients.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if trusted else ssl.create_default_context()
    if trusted:
        context.load_verify_locations(cadata=trusted.decode())
    return context


def _unverified_context() -> ssl.SSLContext:
    """Return a context that looks at any certificate and sends nothing to whom it may belong."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _verdict(error: ssl.SSLCertVerificationError, endpoint: Endpoint, trusted: bytes) -> str:
    if error.verify_code in _WRONG_NAME:
        return f"wrong name: the certificate at {endpoint.address} does not name {endpoint.host}"
    if error.verify_code in _DATES:
        return f"wrong date: the certificate at {endpoint.address} {_DATES[error.verify_code]}"
    whom = "that the parties trust" if trusted else "of the system's trust"
    return f"wrong CA: none {whom} signed the certificate at {endpoint.address} ({error.verify_message})"


def _facts(shown: bytes) -> dict[str, Any]:
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(shown)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    end = certificate.not_valid_after_utc
    return {
        "tls_names": tuple(str(name.value) for name in names),
        "fingerprint": hashlib.sha256(shown).hexdigest(),
        "not_after": end.isoformat(),
        "days_left": days_left(end),
    }


def days_left(end: datetime) -> int:
    """Return the whole days until a moment; negative when it is over."""
    return (end - datetime.now(UTC)).days
