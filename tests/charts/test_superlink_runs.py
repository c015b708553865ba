"""The superlink chart's pods, run as rendered: a real Flower behind a real gateway."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flowerbed.errors import RefusedError
from flowerbed.identities.node_keys import NodeKey
from flowerbed.kubernetes.network.probe import PENDING, pending_names
from support.local_pod import wait_for
from support.paths import ROOT
from support.ports import free_port
from support.real_superlink import end, spawn
from support.superlink_pods import SuperLinkPods, running

pytestmark = pytest.mark.pods

APP = {
    "pyproject.toml": """\
[project]
name = "hello"
version = "1.0.0"
[tool.flwr.app]
publisher = "tests"
[tool.flwr.app.components]
serverapp = "hello:server"
clientapp = "hello:client"
""",
    "hello.py": """\
from flwr.app import Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp

server, client = ServerApp(), ClientApp()

@server.main()
def main(grid, context):
    asked = [Message(RecordDict(), dst_node_id=node, message_type="query") for node in grid.get_node_ids()]
    answers = list(grid.send_and_receive(asked, timeout=60))
    print("answers:", len([answer for answer in answers if answer.has_content()]), flush=True)

@client.query()
def query(message, context):
    return Message(RecordDict(), reply_to=message)
""",
}


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SuperLinkPods]:
    """Yield a release that is ready."""
    with running(tmp_path_factory.mktemp("superlink")) as found:
        yield found


def served_certificate(pods: SuperLinkPods) -> str:
    """Return the certificate that the fleet address shows."""
    return ssl.get_server_certificate(("127.0.0.1", pods.ports["fleet"]), timeout=5)


def test_only_the_gateway_listens_outside(pods: SuperLinkPods) -> None:
    """The SuperLink's own port is open on loopback alone, the gateway's on every address."""
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
    places = {line.split()[3].rpartition(":")[::2] for line in listening.splitlines()}
    assert [host for host, port in places if port == str(pods.ports["superlink"])] == ["127.0.0.1"]
    assert {host for host, port in places if port == str(pods.ports["fleet"])} <= {"0.0.0.0", "*", "[::]"}


def test_declared_nodes_are_registered(pods: SuperLinkPods) -> None:
    """The registrar registers the declared keys by itself."""
    wait_for("the registration", lambda: pods.nodes() == {"north-0": "registered"}, 30)


def test_helm_test_tells_users_from_strangers(pods: SuperLinkPods) -> None:
    """`helm test` passes with a user's certificate, and fails with one whose name is no user's."""
    test = pods.local("Pod/hospitals-superlink-test")
    with test:
        assert test.run("calls") == 0, test.log("calls")
    assert "it lists its runs" in test.log("calls")
    stranger = pods.user("stranger")
    pods.secrets["viewer"] = {"tls.crt": stranger.certificate, "tls.key": stranger.private_key}
    refused = pods.local("Pod/hospitals-superlink-test")
    with refused:
        assert refused.run("calls") == 1
    assert "HTTP 403" in refused.log("calls")


def test_a_run_passes_through(pods: SuperLinkPods, tmp_path: Path) -> None:
    """A submitter's app runs in the SuperExec's pod and on an admitted node, and completes."""
    superexec = pods.local("Deployment/hospitals-superlink-superexec")
    app = tmp_path / "hello"
    app.mkdir()
    for name, text in APP.items():
        (app / name).write_text(text)
    key = tmp_path / "key"
    key.write_bytes(pods.key.private)
    node = [
        Path(sys.executable).parent / "flower-supernode",
        f"--superlink=localhost:{pods.ports['fleet']}",
        f"--root-certificates={pods.folder / 'ca.crt'}",
        f"--auth-supernode-private-key={key}",
        f"--port={free_port()}",
    ]
    connection = pods.connection("sam")
    submit = [
        sys.executable, str(ROOT / "scripts/submit.py"), "--json", "--timeout=100s",
        f"--address={connection.address}",
        f"--root-certificates={connection.root_certificates}", f"--client-key={connection.client_key}",
        f"--client-certificate={connection.client_certificate}", str(app),
    ]  # fmt: skip
    with superexec:
        superexec.start("superexec")
        wait_for("a ready SuperExec", lambda: superexec.probe("superexec", "readinessProbe").returncode == 0)
        supernode = spawn(node, tmp_path / "node.log", tmp_path)
        try:
            wait_for("the node", lambda: pods.nodes().get("north-0") == "online", 40)
            done = subprocess.run(submit, capture_output=True, text=True, timeout=120, check=False)
        finally:
            end(supernode)
    assert done.returncode == 0, done.stdout + done.stderr + superexec.log("superexec")
    assert json.loads(done.stdout.splitlines()[-1])["exit_code"] == 0
    assert "answers: 1" in done.stdout + done.stderr


def test_superexec_is_not_ready_without_its_superlink(pods: SuperLinkPods) -> None:
    """The SuperExec's readiness fails where no Runtime API answers, and says so."""
    superexec = pods.local("Deployment/hospitals-superlink-superexec")
    assert superexec.probe("superexec", "readinessProbe").returncode == 0
    runtime = str(pods.ports["runtime"])
    superexec.swaps = {
        old: new.replace(runtime, str(free_port())) if new.endswith(runtime) else new
        for old, new in superexec.swaps.items()
    }
    probe = superexec.probe("superexec", "readinessProbe")
    assert probe.returncode == 1
    assert "FAILED" in probe.stdout


def test_users_and_nodes_change_without_a_restart(pods: SuperLinkPods) -> None:
    """A removed user is refused and a new node admitted, by the processes that run."""
    before = {name: process.pid for name, process in pods.pod.processes.items()}
    assert pods.nodes("olga")
    pods.update("admission", "users", b"vera viewer\nsam submitter\n")
    keys = {"north-0": pods.key.public.decode(), "north-1": NodeKey.generate().public.decode()}
    pods.update("admission", "nodes.json", json.dumps(keys).encode())

    def refused() -> bool:
        try:
            pods.nodes("olga")
        except RefusedError as error:
            return error.status == 403
        return False

    wait_for("the refusal", refused, 30)
    wait_for("the new node", lambda: set(pods.nodes()) == {"north-0", "north-1"}, 30)
    assert {name: process.pid for name, process in pods.pod.processes.items()} == before
    assert all(process.poll() is None for process in pods.pod.processes.values())


def test_certificate_is_reloaded_and_a_broken_one_is_not(pods: SuperLinkPods) -> None:
    """A new certificate is shown without a restart; half of one changes nothing, and is noted."""

    def pending() -> str:
        return pending_names(pods.pod.inside("gateway", PENDING).read_text())

    assert pending() == ""
    first = served_certificate(pods)
    pods.update("tls", "tls.crt", b"-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    wait_for("the report", lambda: pending() == "tls", 30)
    assert served_certificate(pods) == first
    certificate, key = pods.server_certificate()
    pods.update("tls", "tls.key", key)
    pods.update("tls", "tls.crt", certificate)
    wait_for("the new certificate", lambda: served_certificate(pods) != first, 30)
    assert pods.answer("/ready") == 200
    assert pending() == ""


def test_a_revocation_outlives_the_list_that_named_it(pods: SuperLinkPods) -> None:
    """With the older list back, as after `helm rollback`, the kept one still refuses the user."""

    def answer() -> str:
        try:
            return pods.nodes("olga").get("north-0", "no node")
        except RefusedError as refusal:
            return refusal.detail

    before = pods.pod.inside("gateway", "/admission/revoked-users").read_bytes()
    in_use = pods.pod.inside("gateway", "/kept/used/revoked-users")
    assert "revoked" not in answer()
    moment = f"{datetime.now(UTC):%y%m%d%H%M%S}"
    pods.update("admission", "revoked-users", before + f"olga {moment}\n".encode())
    wait_for("the refusal", lambda: "was revoked" in answer(), 30)
    kept = pods.pod.inside("gateway", "/kept/used/revoked-kept")
    wait_for("the kept list", lambda: f"olga {moment}\n" in kept.read_text(), 30)
    pods.update("admission", "revoked-users", before)
    wait_for("the list of before", lambda: in_use.read_bytes() == before, 30)
    time.sleep(2)  # until the new process answers
    assert "was revoked" in answer()
    assert pods.nodes("sam")


def test_probes_tell_the_gateway_from_the_superlink(pods: SuperLinkPods) -> None:
    """With its SuperLink stopped the gateway lives, and neither is the SuperLink alive nor the pod ready."""
    superlink = pods.pod.processes["superlink"].pid
    os.killpg(superlink, signal.SIGSTOP)
    try:
        wait_for("a pod that is not ready", lambda: pods.answer("/ready") != 200, 30)
        assert pods.answer("/gateway") == 200
        wait_for("a SuperLink that is not alive", lambda: pods.answer("/live") != 200, 30)
    finally:
        os.killpg(superlink, signal.SIGCONT)
    wait_for("readiness", lambda: pods.answer("/ready") == 200, 30)


def test_calls_under_way_are_finished_at_the_end(pods: SuperLinkPods) -> None:
    """Told to end, the gateway takes nothing new, finishes the upload under way, and ends by itself."""
    trust = ssl.create_default_context(cafile=pods.folder / "ca.crt")
    upload = http.client.HTTPSConnection("localhost", pods.ports["fleet"], timeout=20, context=trust)
    upload.putrequest("POST", "/v1/fleet/push-object")
    upload.putheader("content-type", "application/protobuf")
    upload.putheader("content-length", "100000")
    upload.putheader("flwr-public-key", base64.b64encode(pods.key.public).decode())
    upload.endheaders(b"x" * 50000)
    time.sleep(0.5)
    gateway = pods.pod.processes["gateway"]
    os.kill(gateway.pid, signal.SIGUSR1)
    assert pods.pod.kill("registrar", signal.SIGTERM) == 0

    def turned_away() -> bool:
        try:
            socket.create_connection(("127.0.0.1", pods.ports["fleet"]), timeout=2).close()
        except OSError:
            return True
        return False

    wait_for("a closed port", turned_away, 5)
    assert gateway.poll() is None
    upload.send(b"x" * 50000)
    # The SuperLink itself says that this is no node.
    assert upload.getresponse().status == 401
    upload.close()
    assert gateway.wait(10) == 0
    started = time.monotonic()
    pods.pod.kill("superlink", signal.SIGTERM)
    assert time.monotonic() - started < 10, "it ends at once when nobody is connected any more"


def test_insecure_release_serves_anybody(tmp_path: Path) -> None:
    """Insecure and open, the same pod speaks plain HTTP, and `helm test` passes without certificates."""
    values = {"insecure": True, "admission": {"mode": "open"}, "users": {}}
    with running(tmp_path, values) as pods:
        test = pods.local("Pod/hospitals-superlink-test")
        with test:
            assert test.run("calls") == 0, test.log("calls")
        assert "registrar" not in pods.pod.processes
