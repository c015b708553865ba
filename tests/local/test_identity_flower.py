"""Identities at work in Flower: it loads our keys, trusts our CA, and admits our nodes."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from flowerbed.identities import CertificateAuthority, NodeKey, ServerCertificate
from support import handshakes
from support.handshakes import Authorities, meet, serving
from support.ports import free_port

authorities = handshakes.authorities
server = handshakes.server
# In the other isolation each of Flower's processes starts a further one, which nothing here needs.
PROCESS_ISOLATION = ("--isolation", "process", "--superexec-auth-secret-file", "secret")


@dataclass
class Flower:
    """A real SuperLink with our certificate and secret, on a free port of loopback."""

    folder: Path
    authority: CertificateAuthority
    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        quiet = {
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "FLWR_HOME": str(self.folder / "home"),
        }
        program = str(Path(sys.executable).with_name(command[0]))
        with (self.folder / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [program, *command[1:]], cwd=self.folder, env=os.environ | quiet, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def supernode(self, key: NodeKey) -> subprocess.Popen[bytes]:
        path = self.folder / f"key-{len(self.processes)}"
        path.write_bytes(key.private)
        to = ["--superlink", f"127.0.0.1:{self.port}", "--root-certificates", "ca.crt"]
        own = ["--auth-supernode-private-key", str(path), "--port", str(free_port())]
        return self.start("flower-supernode", *to, *own, *PROCESS_ISOLATION)

    def log(self, process: subprocess.Popen[bytes]) -> str:
        return (self.folder / f"{self.processes.index(process)}.log").read_text()

    def end(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)


@pytest.fixture
def flower(authorities: Authorities, server: ServerCertificate, tmp_path: Path) -> Iterator[Flower]:
    files = {
        "tls.crt": server.certificate,
        "tls.key": server.private_key,
        "ca.crt": authorities.ours.certificate,
        "secret": b"a-secret-of-this-test",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    flower = Flower(tmp_path, authorities.ours, free_port())
    tls = ["--ssl-certfile", "tls.crt", "--ssl-keyfile", "tls.key", "--ssl-ca-certfile", "ca.crt"]
    at = ["--host", "127.0.0.1", "--port", str(flower.port), "--enable-supernode-auth"]
    flower.start("flower-superlink", *at, *tls, *PROCESS_ISOLATION)
    try:
        yield flower
    finally:
        flower.end()


def test_flower_loads_our_node_keys(tmp_path: Path) -> None:
    """Flower reads our private key, and the public key that it derives equals ours byte for byte."""
    from flwr.supercore.primitives.asymmetric import public_key_to_bytes
    from flwr.supernode.cli.flower_supernode import _try_setup_client_authentication

    path = tmp_path / "key"
    arguments = argparse.Namespace(auth_supernode_private_key=str(path), auth_supernode_public_key=None)
    for _ in range(20):
        key = NodeKey.generate()
        path.write_bytes(key.private)
        loaded = _try_setup_client_authentication(arguments)
        assert loaded is not None
        assert public_key_to_bytes(loaded[1]) == key.public


def test_flower_refuses_other_forms_of_a_key(flower: Flower) -> None:
    """The same key in PKCS#8 ends the SuperNode at once: the form of our file is what makes it work."""
    key = NodeKey.generate()
    private = serialization.load_ssh_private_key(key.private, None)
    form = serialization.PrivateFormat.PKCS8
    pkcs8 = private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    supernode = flower.supernode(NodeKey(pkcs8, key.public))
    assert supernode.wait(60) == 1
    assert "Unable to parse the private key file" in flower.log(supernode)


def test_flower_verifies_what_our_key_signs(tmp_path: Path) -> None:
    """A signature of our private key passes Flower's check of our public key, and no other's."""
    from flwr.supercore.primitives import asymmetric as flower

    key, other = NodeKey.generate(), NodeKey.generate()
    private = serialization.load_ssh_private_key(key.private, None)
    signature = flower.sign_message(private, b"2026-11-24T06:30:00")
    ours, theirs = (flower.bytes_to_public_key(pair.public) for pair in (key, other))
    assert flower.uses_nist_ec_curve(ours)
    assert flower.public_key_to_bytes(ours) == key.public
    assert flower.verify_signature(ours, b"2026-11-24T06:30:00", signature)
    assert not flower.verify_signature(theirs, b"2026-11-24T06:30:00", signature)


def test_flowers_client_trusts_our_authority_alone(
    authorities: Authorities, server: ServerCertificate, tmp_path: Path
) -> None:
    """Flower's own client, given our CA's bytes, gets an answer; given another CA's, it never speaks."""
    import httpx
    from flwr.proto.control_pb2 import ListRunsRequest
    from flwr.supercore.control import ControlHttpClient

    def ask(root: CertificateAuthority) -> Callable[[int], object]:
        def act(port: int) -> object:
            client = ControlHttpClient.from_server_address(f"127.0.0.1:{port}", False, root.certificate, [])
            try:
                client.ListRuns(ListRunsRequest())
            except httpx.HTTPStatusError as error:
                return error.response.status_code
            except httpx.ConnectError as error:
                return str(error)
            return None

        return act

    assert meet(serving(server, tmp_path), ask(authorities.ours)).answer == 404
    assert "CERTIFICATE_VERIFY_FAILED" in str(meet(serving(server, tmp_path), ask(authorities.theirs)).answer)


def within(seconds: float, act: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if act():
            return True
        time.sleep(0.3)
    return False


def test_a_real_supernode_joins_with_our_key_and_no_other(flower: Flower) -> None:
    """A SuperLink with our certificate admits the SuperNode whose key was registered, and no stranger."""
    import httpx
    from flwr.proto.control_pb2 import ListNodesRequest, RegisterNodeRequest
    from flwr.supercore.control import ControlHttpClient

    root = flower.authority.certificate
    client = ControlHttpClient.from_server_address(f"127.0.0.1:{flower.port}", False, root, [])

    def nodes() -> dict[bytes, str]:
        return {node.public_key: node.status for node in client.ListNodes(ListNodesRequest()).nodes_info}

    def answers() -> bool:
        try:
            return nodes() == {}
        except httpx.TransportError:
            return False

    known, stranger = NodeKey.generate(), NodeKey.generate()
    assert within(60, answers)
    client.RegisterNode(RegisterNodeRequest(public_key=known.public, name="hospitals-north-0"))
    refused = flower.supernode(stranger)
    flower.supernode(known)
    assert within(60, lambda: nodes() == {known.public: "online"})
    assert refused.wait(60) == 1
    assert nodes() == {known.public: "online"}
    client._client.close()  # a SuperLink waits for open connections before it ends
