"""Rotation and revocation at a running gateway: HAProxy reloads, and what was revoked is refused at once."""

from __future__ import annotations

import hashlib
import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_helpers import ROOT, call, trust, until

from flowerbed.identities import CertificateAuthority
from flowerbed.local.ports import reserve

FILES = ROOT / "charts" / "superlink" / "files"
AUDIENCES = ("fleet", "control", "runtime", "readiness", "metrics", "superlink")
WATCHED = ("tls.crt", "tls.key", "ca.crt", "users", "revoked")


class Gateway:
    """The gateway as its pod starts it, with no SuperLink behind: who gets past it is answered with 503."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.old, self.new = (CertificateAuthority.create("hospitals") for _ in range(2))
        self.serve(self.old)
        (folder / "ca.crt").write_bytes(self.old.certificate + self.new.certificate)
        (folder / "users").write_text("ann submitter\nbob viewer\n")
        (folder / "revoked").write_text("# SHA-256\n")
        for name, authority in (("ann", self.old), ("bob", self.old), ("ann-again", self.new)):
            pair = authority.issue_client(name.partition("-")[0], "viewer", 2)
            (folder / f"{name}.crt").write_bytes(pair.certificate)
            (folder / f"{name}.key").write_bytes(pair.private_key)
        self.reservation = reserve(AUDIENCES, {}, {})
        self.address = f"127.0.0.1:{self.reservation.ports['control']}"
        environment = {
            "PATH": os.environ["PATH"],
            "GATEWAY_HOST": "127.0.0.1",
            **{f"GATEWAY_{name.upper()}_PORT": str(port) for name, port in self.reservation.ports.items()},
            "GATEWAY_CERTIFICATE": "tls.crt",
            "GATEWAY_CLIENT_CA": "ca.crt",
            "GATEWAY_LOOPBACK_CA": "ca.crt",
            "GATEWAY_USERS": "users",
            "GATEWAY_REVOKED": "revoked",
        }
        self.log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            ["sh", str(FILES / "gateway.sh"), str(FILES / "haproxy.cfg"), *WATCHED],
            cwd=folder,
            env=environment,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def serve(self, authority: CertificateAuthority) -> None:
        pair = authority.issue_server(["localhost"], ["127.0.0.1"], 2)
        for name, data in (("tls.crt", pair.certificate), ("tls.key", pair.private_key)):
            (self.folder / f"{name}.new").write_bytes(data)
        for name in ("tls.crt", "tls.key"):
            (self.folder / f"{name}.new").replace(self.folder / name)

    def tls(self, user: str, *roots: CertificateAuthority) -> ssl.SSLContext:
        trusted = self.folder / f"roots-{user}.crt"
        trusted.write_bytes(b"".join(each.certificate for each in roots or (self.old, self.new)))
        return trust(trusted, self.folder / f"{user}.crt", self.folder / f"{user}.key")

    def status(self, user: str, *roots: CertificateAuthority) -> int:
        """Return the answer to a user's question for runs; 0 where no connection comes about."""
        try:
            return call(self.address, "/v1/control/list-runs", self.tls(user, *roots)).status
        except OSError:
            return 0

    def close(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(20)
        self.log.close()
        self.reservation.release()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """Return a gateway that answers."""
    gateway = Gateway(tmp_path)
    try:
        until(lambda: gateway.status("ann") == 503, 20, "a gateway that answers")
        yield gateway
    finally:
        gateway.close()


def test_a_certificate_of_the_next_ca_is_served_without_a_refusal(gateway: Gateway) -> None:
    """While the gateway takes its new certificate, who trusts both CAs is always answered."""
    assert gateway.status("bob", gateway.new) == 0
    gateway.serve(gateway.new)
    answers = set()

    def renewed() -> bool:
        answers.add(gateway.status("ann"))
        return gateway.status("bob", gateway.new) == 503

    until(renewed, 20, "the new certificate")
    assert answers == {503}
    assert gateway.status("bob", gateway.old) == 0


def test_a_revoked_certificate_is_refused_and_its_name_goes_on(gateway: Gateway) -> None:
    """The revoked one alone is refused: another of the same name, and other users, get past."""
    der = ssl.PEM_cert_to_DER_cert((gateway.folder / "ann.crt").read_text())
    assert [gateway.status(user) for user in ("ann", "bob", "ann-again")] == [503, 503, 503]
    (gateway.folder / "revoked").write_text(f"# SHA-256\n{hashlib.sha256(der).hexdigest()}")
    until(lambda: gateway.status("ann") == 403, 20, "the refusal")
    assert [gateway.status(user) for user in ("bob", "ann-again")] == [503, 503]
