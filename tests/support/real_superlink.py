"""A real SuperLink on loopback, with TLS and registered keys: what the charts' pods are tried against."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flowerbed.flower.client import FlowerClient, messages
from flowerbed.flower.connection import Connection
from flowerbed.identities.authority import CertificateAuthority
from support.local_pod import wait_for
from support.ports import free_port

BIN = Path(sys.executable).parent
OUTSIDE = "hub.example.org"  # a further name of its certificate, which no resolver here knows


class RealSuperLink:
    """The process, its CA, and calls on its Control API."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.authority = CertificateAuthority.create("trial", 2)
        self.server = self.authority.issue_server(("localhost", OUTSIDE), (), 1)
        self.secret = secrets.token_hex(32).encode()
        self.address = f"localhost:{self.port}"
        for name, content in {
            "ca.crt": self.authority.certificate,
            "tls.crt": self.server.certificate,
            "tls.key": self.server.private_key,
            "secret": self.secret,
        }.items():
            (folder / name).write_bytes(content)
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        files = {flag: self.folder / name for flag, name in {
            "--ssl-certfile": "tls.crt", "--ssl-keyfile": "tls.key", "--ssl-ca-certfile": "ca.crt",
            "--superexec-auth-secret-file": "secret", "--database": "state.db",
        }.items()}  # fmt: skip
        arguments = [f"{flag}={file}" for flag, file in files.items()]
        command = [
            BIN / "flower-superlink", "--host=127.0.0.1", f"--port={self.port}", "--enable-supernode-auth",
            "--isolation=process", "--disable-runtime-dependency-installation", *arguments,
        ]  # fmt: skip
        return spawn(command, self.folder / "superlink.log", self.folder)

    def wait(self) -> None:
        """Return when it answers."""
        trust = ssl.create_default_context(cadata=self.authority.certificate.decode())

        def healthy() -> bool:
            assert self.process.poll() is None, (self.folder / "superlink.log").read_text()
            try:
                with urllib.request.urlopen(
                    f"https://{self.address}/health", context=trust, timeout=5
                ) as reply:
                    return bool(reply.status == 200)
            except (urllib.error.URLError, OSError):
                return False

        wait_for("the SuperLink's health", healthy)

    def client(self) -> FlowerClient:
        """Return a client of its Control API."""
        return FlowerClient(Connection(address=self.address, root_certificates=self.folder / "ca.crt"))

    def register(self, public_key: bytes, name: str) -> int:
        """Register a node's key and return the node's id."""
        control = messages()
        with self.client() as client:
            request = control.RegisterNodeRequest(public_key=public_key, name=name)
            return int(client.call("control/register-node", request, control.RegisterNodeResponse).node_id)

    def nodes(self) -> dict[str, str]:
        """Return the status of each node by its name."""
        control = messages()
        with self.client() as client:
            reply: Any = client.call(
                "control/list-nodes", control.ListNodesRequest(), control.ListNodesResponse
            )
        return {node.name: node.status for node in reply.nodes_info}

    def superexec(self) -> subprocess.Popen[bytes]:
        """Start a SuperExec for ServerApps."""
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        command = [
            BIN / "flower-superexec", f"--runtime-api-address={self.address}",
            f"--root-certificates={self.folder / 'ca.crt'}",
            f"--superexec-auth-secret-file={self.folder / 'secret'}",
        ]  # fmt: skip
        return spawn(command, self.folder / "superexec.log", work)


def spawn(command: list[Any], log: Path, cwd: Path) -> subprocess.Popen[bytes]:
    """Start a Flower program with nothing of this machine's settings."""
    env = {
        "PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(cwd), "FLWR_HOME": str(cwd / "flwr"), "TMPDIR": str(cwd),
        "FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    with log.open("ab") as output:
        return subprocess.Popen(
            command, env=env, cwd=cwd, stdout=output, stderr=output, start_new_session=True
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[RealSuperLink]:
    """Start a SuperLink in a folder, and end it."""
    superlink = RealSuperLink(folder)
    try:
        superlink.wait()
        yield superlink
    finally:
        end(superlink.process)
