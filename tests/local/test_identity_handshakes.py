"""Identities at work: TLS handshakes on loopback, and Flower itself loading our keys and trusting our CA."""

from __future__ import annotations

import argparse
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from flowerbed.identities import CertificateAuthority, ClientCertificate, NodeKey, ServerCertificate, clock

NAME = "hospitals-superlink-fleet.hub.svc"
LONG_NAME = ".".join(["a" * 60, "b" * 60, "example.org"])
TLS_VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
EARLIER = clock.now() - timedelta(days=30)
# In the other isolation each of Flower's processes starts a further one, which nothing here needs.
PROCESS_ISOLATION = ("--isolation", "process", "--superexec-auth-secret-file", "secret")
ANSWER = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True)
class Authorities:
    """Two CAs of one name, a month old, so that what they signed can have expired."""

    ours: CertificateAuthority = field(default_factory=lambda: CertificateAuthority.create("hospitals"))
    theirs: CertificateAuthority = field(default_factory=lambda: CertificateAuthority.create("hospitals"))


@pytest.fixture(scope="module")
def authorities() -> Authorities:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: EARLIER)
        return Authorities()


@pytest.fixture(scope="module")
def server(authorities: Authorities) -> ServerCertificate:
    return authorities.ours.issue_server([NAME, LONG_NAME], ["127.0.0.1", "::1"], 30)


def analyst(authority: CertificateAuthority, days: int = 30) -> ClientCertificate:
    return authority.issue_client("analyst", "submitter", days)


def expired(authority: CertificateAuthority) -> ClientCertificate:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: EARLIER)
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


@pytest.mark.parametrize("version", TLS_VERSIONS, ids=lambda version: version.name)
@pytest.mark.parametrize("name", [NAME, NAME.upper(), LONG_NAME, "127.0.0.1", "::1"])
def test_a_server_is_known_by_each_of_its_names(
    authorities: Authorities, server: ServerCertificate, tmp_path: Path, name: str, version: ssl.TLSVersion
) -> None:
    """Every name and address of the certificate passes a strict handshake, in TLS 1.2 and 1.3."""
    context = dialling(authorities.ours)
    context.minimum_version = context.maximum_version = version
    meeting = meet(serving(server, tmp_path), dial(context, name))
    assert meeting == Meeting(answer=ANSWER)


@pytest.mark.parametrize(
    "name", ["hospitals-superlink-control.hub.svc", "localhost", "127.0.0.2", "hospitals", "a"]
)
def test_a_server_is_not_known_by_another_name(
    authorities: Authorities, server: ServerCertificate, tmp_path: Path, name: str
) -> None:
    """A name or address outside the certificate is refused by the client, who then says nothing."""
    meeting = meet(serving(server, tmp_path), dial(dialling(authorities.ours), name))
    assert "CERTIFICATE_VERIFY_FAILED" in meeting.client_refused
    assert "mismatch" in meeting.client_refused
    assert meeting.answer is None


def test_another_authority_vouches_for_nothing(
    authorities: Authorities, server: ServerCertificate, tmp_path: Path
) -> None:
    """A client that trusts another CA, even one of the same name, refuses the server."""
    meeting = meet(serving(server, tmp_path), dial(dialling(authorities.theirs), NAME))
    assert "CERTIFICATE_VERIFY_FAILED" in meeting.client_refused


def test_a_user_cannot_pose_as_the_server(authorities: Authorities, tmp_path: Path) -> None:
    """A client certificate does not serve: its purpose is refused, even by who checks no name."""
    context = dialling(authorities.ours)
    context.check_hostname = False
    meeting = meet(serving(analyst(authorities.ours), tmp_path), dial(context, NAME))
    assert "unsuitable certificate purpose" in meeting.client_refused
    server = authorities.ours.issue_server(["x"], [], 1)
    assert meet(serving(server, tmp_path), dial(context, NAME)) == Meeting(answer=ANSWER)


@pytest.mark.parametrize("version", TLS_VERSIONS, ids=lambda version: version.name)
def test_a_user_is_known_by_name_and_role(
    authorities: Authorities, server: ServerCertificate, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """The server that demands certificates reads name, role and federation from the handshake."""
    context = use(dialling(authorities.ours), analyst(authorities.ours), tmp_path)
    context.minimum_version = context.maximum_version = version
    meeting = meet(demanding(server, authorities.ours, tmp_path), dial(context, NAME))
    assert meeting.answer == ANSWER
    assert meeting.user == {
        "commonName": "analyst",
        "organizationalUnitName": "submitter",
        "organizationName": "hospitals",
    }


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("none", "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
        ("another CA", "CERTIFICATE_VERIFY_FAILED"),
        ("expired", "certificate has expired"),
        ("a server's", "unsuitable certificate purpose"),
    ],
)
@pytest.mark.parametrize("version", TLS_VERSIONS, ids=lambda version: version.name)
def test_whoever_is_no_user_is_not_let_in(
    authorities: Authorities,
    server: ServerCertificate,
    tmp_path: Path,
    case: str,
    reason: str,
    version: ssl.TLSVersion,
) -> None:
    """No certificate, another CA's, an expired one or a server's: the server refuses, answers nothing."""
    pairs = {
        "another CA": analyst(authorities.theirs),
        "expired": expired(authorities.ours),
        "a server's": server,
    }
    context = dialling(authorities.ours)
    context.minimum_version = context.maximum_version = version
    if case in pairs:
        use(context, pairs[case], tmp_path)
    meeting = meet(demanding(server, authorities.ours, tmp_path), dial(context, NAME))
    assert reason in meeting.server_refused
    assert meeting.answer in (None, b"")
    assert meeting.user == {}


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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


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
    signature = flower.sign_message(private, b"2026-11-24T06:30:00")  # type: ignore[arg-type]
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
