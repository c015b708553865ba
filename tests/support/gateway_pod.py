"""A gateway as its pod starts it, for tests of what it reloads."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from flowerbed.identities import CertificateAuthority, ClientCertificate
from flowerbed.identities.revocations import list_text
from flowerbed.local.ports import reserve
from support.gateway_calls import call, trust
from support.local_federation import until
from support.paths import ROOT

FILES = ROOT / "charts" / "superlink" / "files"
AUDIENCES = ("fleet", "control", "runtime", "readiness", "metrics", "superlink")
WATCHED = ("tls.crt", "tls.key", "ca.crt", "users", "revoked-users", "revoked-kept", "admitted-keys")


class Gateway:
    """The gateway as its pod starts it, with no SuperLink behind: who gets past it is answered with 503."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.old, self.new = (CertificateAuthority.create("hospitals") for _ in range(2))
        self.serve(self.old)
        (folder / "ca.crt").write_bytes(self.old.certificate + self.new.certificate)
        (folder / "users").write_text("ann submitter\nbob viewer\n")
        self.revoke({})
        self.write("revoked-kept", list_text({}))
        self.write("admitted-keys", "# SHA-256\n")
        for name, authority in (("ann", self.old), ("bob", self.old)):
            self.keep(name, authority.issue_client(name, "viewer", 2))
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
            "GATEWAY_REVOKED": "revoked-users",
            "GATEWAY_REVOKED_KEPT": "revoked-kept",
            "GATEWAY_ADMITTED": "admitted-keys",
            "GATEWAY_PENDING": "pending",
        }
        self.environment = environment
        self.log = (folder / "log").open("wb")
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        watched = [f"{name}={self.folder / name}" for name in WATCHED]
        return subprocess.Popen(
            [
                "sh",
                str(FILES / "gateway.sh"),
                str(FILES / "haproxy.cfg"),
                str(self.folder / "in use"),
                *watched,
            ],
            env=self.environment,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def restart(self) -> None:
        """End it and start it anew, as a container in the same pod."""
        self.end()
        self.process = self.start()

    def write(self, name: str, text: str) -> None:
        """Replace a watched file at once."""
        (self.folder / f"{name}.new").write_text(text)
        (self.folder / f"{name}.new").replace(self.folder / name)

    def pending(self) -> str:
        """Return what changed and is not in use, "" for nothing."""
        address = f"127.0.0.1:{self.reservation.ports['readiness']}"
        answer = call(address, "/pending", None, method="GET")
        return answer.body.partition(": ")[2] if answer.status == 503 else ""

    def keep(self, name: str, pair: ClientCertificate) -> None:
        (self.folder / f"{name}.crt").write_bytes(pair.certificate)
        (self.folder / f"{name}.key").write_bytes(pair.private_key)

    def issued(self, user: str) -> datetime:
        """Return from when on the user's certificate counts."""
        return ClientCertificate((self.folder / f"{user}.crt").read_bytes(), b"").not_before

    def revoke(self, users: dict[str, datetime]) -> None:
        self.write("revoked-users", list_text(users))

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

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(20)

    def close(self) -> None:
        self.end()
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
