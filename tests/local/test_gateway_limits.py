"""The gateway's limits, what it lets through of headers, what it logs, and what SuperNodes are answered."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from local_helpers import Answer, call, trust, until

from flowerbed import runs
from flowerbed.identities import CertificateAuthority
from flowerbed.local import Federation
from flowerbed.local.ports import reserve
from flowerbed.local.state import state_of
from flowerbed.scripts import flower_app, flower_run
from flowerbed.scripts.flower_client import FlowerClient, flwr_without_init, messages
from flowerbed.scripts.flower_connection import Connection
from flowerbed.scripts.supernode import Fleet, fingerprint, read_key

LISTENERS = ("fleet", "control", "runtime", "readiness", "metrics")
CONFIG = Path(__file__).parents[2] / "charts" / "superlink" / "files" / "haproxy.cfg"
BODY = 16 * 1024 * 1024
KEYS = ["time", "listener", "client", "method", "path", "status", "server"]
KEYS += ["user", "role", "node", "bytes_in", "bytes_out", "ms", "end"]
Start = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def folder(hospitals: Federation) -> Path:
    return state_of(hospitals.file, "hospitals").path


@pytest.fixture
def start(hospitals: Federation, folder: Path, tmp_path: Path) -> Iterator[Start]:
    """Return what starts a further gateway before the SuperLink, with other settings and users."""
    with contextlib.ExitStack() as stack:

        def begin(users: str = "olga operator\n", **settings: str) -> dict[str, str]:
            own = tmp_path / "gateway"
            shutil.copytree(folder / "gateway", own)
            (own / "users").write_text(users)
            reservation = reserve(LISTENERS, {}, {})
            stack.callback(reservation.release)
            environment = {
                "PATH": os.environ["PATH"],
                "GATEWAY_HOST": "127.0.0.1",
                **{f"GATEWAY_{name.upper()}_PORT": str(port) for name, port in reservation.ports.items()},
                "GATEWAY_SUPERLINK_PORT": str(hospitals.record.ports["superlink"]),
                "GATEWAY_CERTIFICATE": "tls.crt",
                "GATEWAY_CLIENT_CA": "ca.crt",
                "GATEWAY_LOOPBACK_CA": "loopback-ca.crt",
                "GATEWAY_USERS": "users",
                **settings,
            }
            log = stack.enter_context((tmp_path / "gateway.log").open("wb"))
            process = subprocess.Popen(
                ["haproxy", "-db", "-f", str(CONFIG)], cwd=own, env=environment, stdout=log, stderr=log
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            addresses = {name: f"127.0.0.1:{port}" for name, port in reservation.ports.items()}
            until(lambda: answers(addresses["readiness"]), 10, "a gateway that listens")
            return addresses

        yield begin


def answers(address: str) -> bool:
    with contextlib.suppress(OSError):
        return call(address, "/gateway", None, method="GET").status == 200
    return False


def as_user(folder: Path, user: str) -> ssl.SSLContext:
    own = folder / "users" / user
    return trust(own / "ca.crt", own / "client.crt", own / "client.key")


def lists_runs(folder: Path, address: str, user: str) -> Answer:
    return call(address, "/v1/control/list-runs", as_user(folder, user))


def test_a_removed_user_is_refused_with_a_certificate_that_is_still_valid(folder: Path, start: Start) -> None:
    """The list of users decides, not the certificate."""
    addresses = start(users="olga operator\n")
    answer = lists_runs(folder, addresses["control"], "vera")
    assert (answer.status, answer.detail) == (403, "user vera is not among the users of this federation")
    assert lists_runs(folder, addresses["control"], "olga").passed


def test_a_lowered_role_counts_although_the_certificate_says_more(folder: Path, start: Start) -> None:
    """An operator who was made a viewer can no longer start runs; a word that is no role opens nothing."""
    addresses = start(users="olga viewer\nsam director\n")
    assert lists_runs(folder, addresses["control"], "olga").passed
    assert not call(addresses["control"], "/v1/control/start-run", as_user(folder, "olga")).passed
    assert lists_runs(folder, addresses["control"], "sam").status == 403


def test_another_authoritys_certificate_is_refused(folder: Path, tmp_path: Path, start: Start) -> None:
    """A certificate with the right name from a wrong CA, and the server's own, get no answer."""
    addresses = start()
    foreign = CertificateAuthority.create("hospitals").issue_client("olga", "operator", 2)
    (tmp_path / "client.crt").write_bytes(foreign.certificate)
    (tmp_path / "client.key").write_bytes(foreign.private_key)
    authority = folder / "gateway" / "ca.crt"
    wrong = [(tmp_path / "client.crt", tmp_path / "client.key")]
    wrong.append((folder / "gateway" / "tls.crt", folder / "gateway" / "tls.key"))
    for certificate, key in wrong:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            call(addresses["control"], "/v1/control/list-runs", trust(authority, certificate, key))
    assert lists_runs(folder, addresses["control"], "olga").passed


def test_old_tls_is_refused(folder: Path, start: Start) -> None:
    """TLS 1.1 gets no handshake, TLS 1.2 does."""
    addresses = start()
    context = trust(folder / "gateway" / "ca.crt")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match=r"(?i)version"):
        call(addresses["fleet"], "/v1/fleet/pull-messages", context)
    newer = trust(folder / "gateway" / "ca.crt")
    newer.maximum_version = ssl.TLSVersion.TLSv1_2
    assert call(addresses["fleet"], "/v1/fleet/pull-messages", newer).passed


def announced(address: str, path: str, tls: ssl.SSLContext, headers: dict[str, str]) -> int:
    """Send headers that announce a body, and return the answer's status."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPSConnection(host, int(port), context=tls, timeout=20)
    with contextlib.closing(connection):
        connection.putrequest("POST", path)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status


@pytest.mark.parametrize(
    ("audience", "route", "expected"),
    [("fleet", "push-object", 503), ("control", "start-run", 413), ("runtime", "push-object", 413)],
)
def test_a_body_over_16_mebibytes_or_of_unknown_length_is_refused(
    hospitals: Federation, folder: Path, audience: str, route: str, expected: int
) -> None:
    """Such a body is refused before it is sent: with 413, or 503 where SuperNodes might read it."""
    address = hospitals.record.endpoints[audience].address
    path, tls = f"/v1/{audience}/{route}", as_user(folder, "olga")
    assert announced(address, path, tls, {"Content-Length": str(BODY + 1)}) == expected
    assert announced(address, path, tls, {"Transfer-Encoding": "chunked"}) == expected
    answer = call(address, path, tls, body=b"x" * (BODY - 1000))
    assert answer.passed, "a body of nearly 16 MiB gets past"


def test_forwarding_headers_of_clients_are_dropped(hospitals: Federation, folder: Path) -> None:
    """The SuperLink, which trusts such headers from loopback, never sees what a client claims to be."""
    log = folder / "logs" / "superlink.log"
    claim = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "http", "Forwarded": "for=203.0.113.7"}
    path = "/v1/fleet/pull-messages"
    call(hospitals.record.endpoints["fleet"].address, path, as_user(folder, "sam"), headers=claim)
    assert "203.0.113.7" not in log.read_text()
    past = f"127.0.0.1:{hospitals.record.ports['superlink']}"
    call(past, path, trust(folder / "superlink" / "tls" / "ca.crt"), headers=claim)
    until(lambda: "203.0.113.7" in log.read_text(), 5, "the claim in the log, sent past the gateway")


def test_supernodes_read_503_while_the_superlink_is_away(folder: Path, start: Start) -> None:
    """With nobody behind it the gateway answers 503 with a reason on Fleet, and is itself not ready."""
    nobody = reserve(("port",), {}, {})
    try:
        addresses = start(GATEWAY_SUPERLINK_PORT=str(nobody.ports["port"]))
        answer = call(addresses["fleet"], "/v1/fleet/pull-messages", as_user(folder, "sam"))
        assert answer.status == 503
        assert "try again" in answer.detail
        assert call(addresses["readiness"], "/ready", None, method="GET").status == 503
        # A ServerApp's log survives a lost connection, but not a 503.
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            call(addresses["runtime"], "/v1/runtime/push-logs", as_user(folder, "sam"))
    finally:
        nobody.release()


def test_an_inner_failure_reaches_supernodes_as_503(hospitals: Federation, folder: Path) -> None:
    """A 500 would end a SuperNode's loop for good, so the gateway makes it a 503."""
    key = read_key(folder / "nodes" / "hospitals-north-0" / "key")
    assert key is not None
    with flwr_without_init():
        from flwr.proto.fleet_pb2 import PushMessagesRequest
        from flwr.proto.node_pb2 import Node
    node_id = next(
        int(node.node_id)
        for node in runs.list_nodes(Connection.load(folder / "superlink" / "connection.toml"))
        if node.name == "hospitals-north-0"
    )
    fleet = Fleet(Connection.load(folder / "users" / "sam" / "connection.toml"), key)
    # Flower 1.41 takes the first of no messages.
    body = PushMessagesRequest(node=Node(node_id=node_id)).SerializeToString()

    def push(address: str, tls: ssl.SSLContext) -> Answer:
        headers = {**fleet._signed(), "Content-Type": "application/protobuf"}
        return call(address, "/v1/fleet/push-messages", tls, body=body, headers=headers)

    past = f"127.0.0.1:{hospitals.record.ports['superlink']}"
    assert push(past, trust(folder / "superlink" / "tls" / "ca.crt")).status == 500
    answer = push(hospitals.record.endpoints["fleet"].address, trust(folder / "gateway" / "ca.crt"))
    assert (answer.status, answer.detail) == (503, "the SuperLink failed inside; try again")


@pytest.fixture(scope="module")
def run(hospitals: Federation, hello: Path) -> Iterator[str]:
    """Start a run that lasts as long as the tests of this file need it."""
    connection = Connection.load(hospitals.connection("sam"))
    with FlowerClient(connection) as client:
        run_id = str(flower_run.start(client, flower_app.load(hello), {"seconds": 300.0}))
    yield run_id
    runs.stop(connection, run_id)


class Stream:
    """One open log stream."""

    def __init__(self, folder: Path, address: str, run_id: str) -> None:
        host, _, port = address.rpartition(":")
        tls = as_user(folder, "olga")
        self._connection = http.client.HTTPSConnection(host, int(port), context=tls, timeout=20)
        body = messages().StreamLogsRequest(run_id=int(run_id)).SerializeToString()
        headers = {"Content-Type": "application/protobuf"}
        self._connection.request("POST", "/v1/control/stream-logs", body, headers)
        self.answer = self._connection.getresponse()

    def close(self) -> None:
        self.answer.close()
        self._connection.close()


def test_streams_are_limited_and_calls_are_not(folder: Path, start: Start, run: str) -> None:
    """Beyond the limit a stream is refused with the reason; calls still pass; a closed one frees a place."""
    addresses = start(GATEWAY_MAX_STREAMS="2")
    opened = [Stream(folder, addresses["control"], run) for _ in range(2)]
    try:
        assert [stream.answer.status for stream in opened] == [200, 200]
        third = Stream(folder, addresses["control"], run)
        assert third.answer.status == 503
        assert "2 streams are open" in json.loads(third.answer.read())["detail"]
        third.close()
        assert lists_runs(folder, addresses["control"], "olga").passed
        opened.pop().close()
        until(lambda: opens(folder, addresses["control"], run), 10, "a place for another stream")
    finally:
        for stream in opened:
            stream.close()


def opens(folder: Path, address: str, run_id: str) -> bool:
    stream = Stream(folder, address, run_id)
    stream.close()
    return stream.answer.status == 200


def test_twenty_streams_leave_the_superlink_answering(hospitals: Federation, folder: Path, run: str) -> None:
    """As many streams as the gateway lets through still leave threads for everybody else."""
    address = hospitals.record.endpoints["control"].address
    opened = [Stream(folder, address, run) for _ in range(20)]
    try:
        assert {stream.answer.status for stream in opened} == {200}
        assert opens(folder, address, run) is False
        assert lists_runs(folder, address, "sam").passed
    finally:
        for stream in opened:
            stream.close()


def test_a_log_stream_is_not_buffered(hospitals: Federation, folder: Path, run: str) -> None:
    """What the ServerApp printed arrives while the run goes on."""
    stream = Stream(folder, hospitals.record.endpoints["control"].address, run)
    try:
        seen = b""
        while b"hello from the server" not in seen:
            piece = stream.answer.read1()
            assert piece, f"the stream ended: {seen!r}"
            seen += piece
    finally:
        stream.close()


def test_the_access_log_says_who_did_what_and_holds_no_secret(
    hospitals: Federation, folder: Path, run: str
) -> None:
    """Each line is JSON with known keys; users and nodes are named; no header's value is there."""
    lists_runs(folder, hospitals.record.endpoints["control"].address, "vera")
    log = folder / "logs" / "gateway.log"
    until(lambda: '"user":"vera"' in log.read_text(), 5, "the call in the log")
    text = log.read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    calls = [line for line in lines if "path" in line]
    assert all(list(line) == KEYS for line in calls)
    last = [line for line in calls if line["user"] == "vera"][-1]
    assert (last["path"], last["status"], last["role"]) == ("/v1/control/list-runs", 415, "viewer")
    nodes = {line["node"] for line in calls if line["listener"] == "fleet"} - {"-"}
    declared = json.loads((folder / "superlink" / "nodes.json").read_text())
    assert {fingerprint(key.encode()) for key in declared.values()} <= nodes
    assert all(re.fullmatch("[0-9a-f]{16}", node) for node in nodes)
    secret = (folder / "superexec" / "secret").read_text()
    forbidden = [
        secret,
        "signature",
        "BEGIN",
        *(base64.b64encode(k.encode()).decode() for k in declared.values()),
    ]
    assert not [word for word in forbidden if word in text]
    # A signature is 100 characters of base64 and more; no value is that long.
    assert not [line for line in calls for value in line.values() if len(str(value)) > 60]


def test_a_handshake_that_fails_is_logged(hospitals: Federation, folder: Path) -> None:
    """A stranger's attempt leaves a line that says why."""
    address = hospitals.record.endpoints["control"].address
    with pytest.raises((ssl.SSLError, ConnectionError)):
        call(address, "/v1/control/list-runs", trust(folder / "gateway" / "ca.crt"))
    log = folder / "logs" / "gateway.log"

    def said() -> bool:
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        return any("did not return a certificate" in line.get("tls", "") for line in lines)

    until(said, 5, "the failed handshake in the log")


def test_probes_and_metrics_answer(hospitals: Federation) -> None:
    """Readiness takes the path of a submission; metrics count by listener."""
    ports = hospitals.record.ports
    for path in ("/ready", "/live", "/gateway"):
        for method in ("GET", "HEAD"):
            assert call(f"127.0.0.1:{ports['readiness']}", path, None, method=method).status == 200
    page = call(f"127.0.0.1:{ports['metrics']}", "/metrics", None, method="GET")
    assert 'haproxy_frontend_http_requests_total{proxy="fleet"}' in page.body
