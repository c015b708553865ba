"""Endpoints are judged as the parties' own TLS does, by real handshakes on loopback."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flowerbed.identities.authority import CertificateAuthority
from flowerbed.identities.ca_bundle import fingerprints_of
from flowerbed.kubernetes.network.endpoints import dial, unreachable
from flowerbed.plan import Endpoint

AUTHORITY = CertificateAuthority.create("hospitals")


@contextmanager
def listening(folder: Path, names: list[str], *, tls: bool = True) -> Iterator[int]:
    """A listener that shows a certificate of AUTHORITY for these names; gives its port."""
    made = AUTHORITY.issue_server(names, [], 20)
    (folder / "tls.pem").write_bytes(made.certificate + made.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
                with plain:
                    if tls:
                        context.wrap_socket(plain, server_side=True).close()
            except ssl.SSLError:
                continue
            except OSError:
                return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def endpoint(host: str, port: int) -> Endpoint:
    return Endpoint(type="node-port", host=host, port=port, service="s", listen_port=9092)


def test_a_good_certificate_is_told_whole(tmp_path: Path) -> None:
    """Names, fingerprints and days left are those of the certificate that is shown."""
    with listening(tmp_path, ["localhost", "fleet.example.org"]) as port:
        found = dial("fleet", endpoint("localhost", port), AUTHORITY.certificate, insecure=False)
    assert (found.how, found.problem) == ("dialled", "")
    assert found.tls_names == ("localhost", "fleet.example.org")
    assert found.days_left in {19, 20}
    assert found.ca_fingerprints == fingerprints_of(AUTHORITY.certificate)
    assert found.fingerprint == fingerprints_of((tmp_path / "tls.pem").read_bytes())[0]


def test_through_a_forwarded_port_the_declared_name_counts(tmp_path: Path) -> None:
    """The connection goes to loopback, the certificate has to name the host that parties dial."""
    with listening(tmp_path, ["fleet.example.org"]) as port:
        found = dial(
            "fleet", endpoint("fleet.example.org", 443), AUTHORITY.certificate, insecure=False, forwarded=port
        )
        other = dial(
            "fleet", endpoint("other.example.org", 443), AUTHORITY.certificate, insecure=False, forwarded=port
        )
    assert (found.how, found.problem) == ("port-forward", "")
    assert other.problem.startswith("wrong name: the certificate at other.example.org:443")


def test_a_foreign_ca_is_told(tmp_path: Path) -> None:
    """Another CA did not sign the certificate, which is shown all the same; of two CAs one is enough."""
    foreign = CertificateAuthority.create("other").certificate
    with listening(tmp_path, ["localhost"]) as port:
        found = dial("fleet", endpoint("localhost", port), foreign, insecure=False)
        both = dial("fleet", endpoint("localhost", port), foreign + AUTHORITY.certificate, insecure=False)
    assert found.problem.startswith("wrong CA: none that the parties trust signed the certificate at ")
    assert found.fingerprint
    assert (both.problem, len(both.ca_fingerprints)) == ("", 2)


def test_an_expired_certificate_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate whose days are over is told by its date."""
    from datetime import timedelta

    from flowerbed.identities import validity

    past = validity.now() - timedelta(days=100)
    monkeypatch.setattr(validity, "now", lambda: past)
    with listening(tmp_path, ["localhost"]) as port:
        found = dial("fleet", endpoint("localhost", port), AUTHORITY.certificate, insecure=False)
    assert found.problem == f"wrong date: the certificate at localhost:{port} has expired"
    assert (found.days_left or 0) < 0


def test_nobody_there_is_no_error() -> None:
    """A port where nothing listens is told with its address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = dial("fleet", endpoint("127.0.0.1", port), AUTHORITY.certificate, insecure=False)
    assert (found.how, found.problem) == ("not reached", f"127.0.0.1:{port}: Connection refused")


def test_without_tls_only_the_connection_counts(tmp_path: Path) -> None:
    """An insecure federation shows no certificate, and none is missed."""
    with listening(tmp_path, ["localhost"], tls=False) as port:
        found = dial("fleet", endpoint("127.0.0.1", port), b"", insecure=True)
    assert (found.how, found.fingerprint, found.problem) == ("dialled", "", "")


def test_endpoints_that_come_late_are_waited_for() -> None:
    """A port that listens soon is no silent one; one that nobody opens is, after the time that was given."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    late, never = endpoint("127.0.0.1", port), endpoint("127.0.0.1", 9)
    opened: list[socket.socket] = []
    timer = threading.Timer(0.5, lambda: opened.append(socket.create_server(("127.0.0.1", port))))
    timer.start()
    try:
        assert unreachable([late, never], 1.5) == [never]
    finally:
        timer.join()
        opened[0].close()


def test_a_damaged_ca_is_told() -> None:
    """A CA file that is none is a problem of the endpoint, and nobody is dialled with it."""
    found = dial("fleet", endpoint("127.0.0.1", 9), b"-----BEGIN CERTIFICATE-----\nno", insecure=False)
    assert (found.how, found.problem) == ("not reached", "the CA certificates in the bundles are damaged")
