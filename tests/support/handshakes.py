"""Certificates of two CAs, and servers and clients on loopback that shake hands with them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from flowerbed.identities import CertificateAuthority, ClientCertificate, ServerCertificate, validity

NAME = "hospitals-superlink-fleet.hub.svc"
LONG_NAME = ".".join(["a" * 60, "b" * 60, "example.org"])
TLS_VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
EARLIER = validity.now() - timedelta(days=30)
ANSWER = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True)
class Authorities:
    """Two CAs of one name, a month old, so that what they signed can have expired."""

    ours: CertificateAuthority = field(default_factory=lambda: CertificateAuthority.create("hospitals"))
    theirs: CertificateAuthority = field(default_factory=lambda: CertificateAuthority.create("hospitals"))


@pytest.fixture(scope="module")
def authorities() -> Authorities:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validity, "now", lambda: EARLIER)
        return Authorities()


@pytest.fixture(scope="module")
def server(authorities: Authorities) -> ServerCertificate:
    return authorities.ours.issue_server([NAME, LONG_NAME], ["127.0.0.1", "::1"], 30)


def analyst(authority: CertificateAuthority, days: int = 30) -> ClientCertificate:
    return authority.issue_client("analyst", "submitter", days)


def expired(authority: CertificateAuthority) -> ClientCertificate:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validity, "now", lambda: EARLIER)
        return analyst(authority, 10)


def use(context: ssl.SSLContext, pair: ServerCertificate | ClientCertificate, folder: Path) -> ssl.SSLContext:
    (folder / "pair.pem").write_bytes(pair.private_key + pair.certificate)
    context.load_cert_chain(folder / "pair.pem")
    return context


def trust(context: ssl.SSLContext, authority: CertificateAuthority) -> ssl.SSLContext:
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=authority.certificate.decode())
    return context


def serving(pair: ServerCertificate | ClientCertificate, folder: Path) -> ssl.SSLContext:
    return use(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), pair, folder)


def demanding(pair: ServerCertificate, users: CertificateAuthority, folder: Path) -> ssl.SSLContext:
    """Serve as the gateway's control listener does: only users of this CA get in."""
    context = trust(serving(pair, folder), users)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def dialling(authority: CertificateAuthority) -> ssl.SSLContext:
    return trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), authority)


@dataclass
class Meeting:
    """What one connection came to: the client's answer or refusal, the server's refusal, whom it saw."""

    answer: object = None
    client_refused: str = ""
    server_refused: str = ""
    user: dict[str, str] = field(default_factory=dict)


def meet(context: ssl.SSLContext, act: Callable[[int], object]) -> Meeting:
    """Serve one connection on loopback while `act` dials its port."""
    meeting = Meeting()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        thread = threading.Thread(target=serve_once, args=(listener, context, meeting))
        thread.start()
        try:
            meeting.answer = act(listener.getsockname()[1])
        except OSError as error:
            meeting.client_refused = str(error)
        thread.join(60)
    return meeting


def serve_once(listener: socket.socket, context: ssl.SSLContext, meeting: Meeting) -> None:
    connection, _ = listener.accept()
    connection.settimeout(10)
    try:
        with connection, context.wrap_socket(connection, server_side=True) as secured:
            for part in (secured.getpeercert() or {}).get("subject", ()):
                meeting.user |= dict(part)  # type: ignore[arg-type]
            secured.recv(65536)
            secured.sendall(ANSWER)
    except OSError as error:
        meeting.server_refused = str(error)


def dial(context: ssl.SSLContext, name: str) -> Callable[[int], object]:
    """Return an act that asks once and returns the first line of the answer."""

    def act(port: int) -> object:
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        with plain, context.wrap_socket(plain, server_hostname=name) as secured:
            secured.sendall(b"POST / HTTP/1.1\r\n\r\n")
            return secured.recv(65536)

    return act
