"""The gateway's limits, what it lets through of headers, what it logs, and what SuperNodes are answered."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import ssl
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowerbed import runs
from flowerbed.flower import runs as flower_runs
from flowerbed.flower.app import app as flower_app
from flowerbed.flower.client import FlowerClient, flwr_without_init, messages
from flowerbed.flower.connection import Connection
from flowerbed.flower.programs.supernode import Fleet, fingerprint, read_key
from flowerbed.identities import CertificateAuthority
from flowerbed.local import Federation
from flowerbed.local.ports import reserve
from flowerbed.local.state import StateDirectory
from support.further_gateway import Start, as_user
from support.gateway_calls import Answer, as_node, call, trust
from support.local_federation import until

pytestmark = pytest.mark.needs("haproxy")

BODY = 16 * 1024 * 1024
KEYS = ["time", "listener", "client", "method", "path", "status", "server"]
KEYS += ["user", "role", "node", "bytes_in", "bytes_out", "ms", "end"]


@pytest.fixture(scope="module")
def folder(hospitals: Federation) -> Path:
    return StateDirectory.of(hospitals.file, "hospitals").path


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


def test_old_tls_is_refused(hospitals: Federation, folder: Path, start: Start) -> None:
    """TLS 1.1 gets no handshake, TLS 1.2 does."""
    addresses, node = start(), as_node(hospitals.file)
    context = trust(folder / "gateway" / "ca.crt")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match=r"(?i)version"):
        call(addresses["fleet"], "/v1/fleet/pull-messages", context)
    newer = trust(folder / "gateway" / "ca.crt")
    newer.maximum_version = ssl.TLSVersion.TLSv1_2
    assert call(addresses["fleet"], "/v1/fleet/pull-messages", newer, headers=node).passed


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


LARGE = {"fleet": "push-object", "control": "start-run", "runtime": "push-object"}
REFUSAL = {"fleet": 503, "control": 413, "runtime": 413}
TOO_LONG = {
    "one byte more": str(BODY + 1),
    **{f"2^{bits}{change:+d}": str(2**bits + change) for bits in (31, 32, 62, 63) for change in (-1, 0, 5)},
    "2^64-1": str(2**64 - 1),
    "2^64": str(2**64),
    "2^64+5": str(2**64 + 5),
    "leading zeros": f"{2**32:030d}",
    "a repeated list": f"{2**32}, {2**32}",
}


@pytest.mark.parametrize("audience", LARGE)
@pytest.mark.parametrize("length", TOO_LONG.values(), ids=TOO_LONG)
def test_a_body_that_is_announced_too_long_is_refused(
    hospitals: Federation, folder: Path, audience: str, length: str
) -> None:
    """However its length is written, it is refused unread; 400 where HAProxy cannot parse the length."""
    address = hospitals.record.endpoints[audience].address
    path, tls = f"/v1/{audience}/{LARGE[audience]}", as_user(folder, "olga")
    refusals = {REFUSAL[audience]} if length.isdigit() and int(length) < 2**63 else {REFUSAL[audience], 400}
    headers = {**as_node(hospitals.file), "Content-Length": length}
    assert announced(address, path, tls, headers) in refusals


@pytest.mark.parametrize("audience", LARGE)
def test_a_body_of_unknown_length_is_refused_and_one_of_the_limit_passes(
    hospitals: Federation, folder: Path, audience: str
) -> None:
    """No length: 413, or 503 where SuperNodes might read it. Exactly 16 MiB pass."""
    address = hospitals.record.endpoints[audience].address
    path, tls = f"/v1/{audience}/{LARGE[audience]}", as_user(folder, "olga")
    node = as_node(hospitals.file)
    assert announced(address, path, tls, {**node, "Transfer-Encoding": "chunked"}) == REFUSAL[audience]
    for size in (0, 5, BODY):
        assert call(address, path, tls, body=b"x" * size, headers=node).passed, (
            f"a body of {size} bytes gets past"
        )


def sent(address: str, tls: ssl.SSLContext, key: str, length: int) -> None:
    """Send 64 MiB of a body of an announced length, as a node with a known key, or as much as is taken."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPSConnection(host, int(port), context=tls, timeout=20)
    with contextlib.closing(connection):
        connection.putrequest("POST", "/v1/fleet/pull-messages")
        connection.putheader("Content-Type", "application/protobuf")
        connection.putheader("Content-Length", str(length))
        connection.putheader("flwr-public-key", key)
        connection.endheaders()
        with contextlib.suppress(OSError):
            for _ in range(64):
                connection.send(bytes(2**20))
        time.sleep(1)  # until the SuperLink has read what was sent


def memory(pid: int) -> int:
    """Return the resident memory of a process, in MiB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) // 1024  # type: ignore[index]


def test_a_stranger_fills_none_of_the_superlinks_memory(hospitals: Federation, folder: Path) -> None:
    """64 MiB behind a length of 2^32 stay outside; sent past the gateway, the SuperLink holds them."""
    record = StateDirectory.of(hospitals.file, "hospitals").read()
    assert record is not None
    pid = next(part.pid for part in record.parts if part.name == "superlink")
    before, key = memory(pid), as_node(hospitals.file)["flwr-public-key"]
    sent(record.endpoints["fleet"].address, trust(folder / "gateway" / "ca.crt"), key, 2**32)
    assert memory(pid) < before + 16
    past = f"127.0.0.1:{record.ports['superlink']}"
    sent(past, trust(folder / "superlink" / "tls" / "ca.crt"), key, 2**32)
    assert memory(pid) > before + 56


def test_forwarding_headers_of_clients_are_dropped(hospitals: Federation, folder: Path) -> None:
    """The SuperLink, which trusts such headers from loopback, never sees what a client claims to be."""
    log = folder / "logs" / "superlink.log"
    claim = {
        **as_node(hospitals.file),
        "X-Forwarded-For": "203.0.113.7",
        "X-Forwarded-Proto": "http",
        "Forwarded": "for=203.0.113.7",
    }
    path = "/v1/fleet/pull-messages"
    call(hospitals.record.endpoints["fleet"].address, path, as_user(folder, "sam"), headers=claim)
    assert "203.0.113.7" not in log.read_text()
    past = f"127.0.0.1:{hospitals.record.ports['superlink']}"
    call(past, path, trust(folder / "superlink" / "tls" / "ca.crt"), headers=claim)
    until(lambda: "203.0.113.7" in log.read_text(), 5, "the claim in the log, sent past the gateway")


def test_supernodes_read_503_while_the_superlink_is_away(
    hospitals: Federation, folder: Path, start: Start
) -> None:
    """With nobody behind it the gateway answers 503 with a reason on Fleet, and is itself not ready."""
    nobody, node = reserve(("port",), {}, {}), as_node(hospitals.file)
    try:
        addresses = start(GATEWAY_SUPERLINK_PORT=str(nobody.ports["port"]))
        answer = call(addresses["fleet"], "/v1/fleet/pull-messages", as_user(folder, "sam"), headers=node)
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
        run_id = str(flower_runs.start(client, flower_app.load(hello), {"seconds": 300.0}))
    yield run_id
    runs.stop(connection, run_id)


class Stream:
    """One open log stream."""

    def __init__(self, folder: Path, address: str, run_id: str, user: str = "olga") -> None:
        host, _, port = address.rpartition(":")
        tls = as_user(folder, user)
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
    opened = [Stream(folder, address, run, user) for user in ("olga", "vera") for _ in range(10)]
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
