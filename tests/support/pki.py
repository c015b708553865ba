"""A CA with a server and a user, for the tests of the client."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path

from flowerbed.flower.connection import Connection
from flowerbed.identities import CertificateAuthority
from support.control_servers import Server


class Pki:
    """A CA, a server's TLS context and a user's files, in a folder."""

    def __init__(self, folder: Path, *, names: tuple[str, ...] = ("localhost",), days: int = 1) -> None:
        self.authority = CertificateAuthority.create("hospitals", days=2)
        self.folder = folder
        server = self.authority.issue_server(names, ["127.0.0.1"] if "localhost" in names else [], days)
        user = self.authority.issue_client("analyst", "submitter", 1)
        for name, content in {
            "ca.crt": self.authority.certificate,
            "server.crt": server.certificate,
            "server.key": server.private_key,
            "client.crt": user.certificate,
            "client.key": user.private_key,
        }.items():
            (folder / name).write_bytes(content)

    def context(self, *, users: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.crt", self.folder / "server.key")
        if users:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.folder / "ca.crt")
        return context

    def connection(self, server: Server, **changes: Path | None) -> Connection:
        address = f"127.0.0.1:{server.server_address[1]}"
        return replace(Connection(address=address, root_certificates=self.folder / "ca.crt"), **changes)  # type: ignore[arg-type]

    @property
    def client(self) -> dict[str, Path]:
        return {"client_certificate": self.folder / "client.crt", "client_key": self.folder / "client.key"}
