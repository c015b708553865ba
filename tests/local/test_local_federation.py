"""A running local federation, as its user sees it: status, joining, runs, admission."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from flowerbed import runs
from flowerbed.declaration import load_plan
from flowerbed.errors import LocalError, UnreachableError
from flowerbed.flower import runs as flower_runs
from flowerbed.flower.app import app as flower_app
from flowerbed.flower.client import FlowerClient
from flowerbed.flower.connection import Connection
from flowerbed.identities import NodeKey
from flowerbed.local import Federation, Options, up
from flowerbed.local.state import StateDirectory
from support.local_federation import GONE, ONE_NODE, declare, flowerbed, health, kill, run, until, until_gone
from support.paths import ROOT

SUBMIT = ROOT / "scripts" / "submit.py"


@pytest.fixture(scope="module")
def folder(hospitals: Federation) -> StateDirectory:
    return StateDirectory.of(hospitals.file, "hospitals")


def submit(connection: Path, app: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SUBMIT), str(app), "--connection", str(connection), "--timeout", "2m"]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)


@pytest.mark.smoke
@pytest.mark.needs("haproxy")
def test_status_shows_parts_nodes_and_endpoints(hospitals: Federation) -> None:
    """The status of a federation that is well names everything, and exits 0."""
    done = run("status", hospitals.file, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["name"], said["state"], said["healthy"]) == ("hospitals", "online", True)
    assert (said["admission"], said["insecure"], said["gateway"], said["flower"][:4]) == (
        "listed",
        False,
        True,
        "1.41",
    )
    assert {part["name"]: part["state"] for part in said["parts"]} == dict.fromkeys(
        [
            "superlink",
            "gateway",
            "registrar",
            "hospitals-north-0",
            "hospitals-west-0",
            "superexec",
            "hospitals-west-0-superexec",
        ],
        "running",
    )
    assert {node["name"]: node["state"] for node in said["nodes"]} == {
        "hospitals-north-0": "online",
        "hospitals-west-0": "online",
    }
    assert all(int(node["node_id"]) for node in said["nodes"])
    for audience in ("fleet", "control", "runtime"):
        endpoint = said["endpoints"][audience]
        assert endpoint["tls_names"] == ["localhost", "127.0.0.1"]
        assert len(endpoint["ca_fingerprint"]) == 64
    assert "past the gateway" in said["warnings"][0]


@pytest.mark.needs("haproxy")
def test_status_for_people_says_the_same(hospitals: Federation) -> None:
    """The plain status is a few lines with each part, node and endpoint."""
    done = run("status", hospitals.file)
    assert done.returncode == 0
    assert done.stdout.startswith("hospitals: online, healthy (TLS, gateway, admission listed, Flower 1.41")
    for word in ("fleet", "control", "runtime", "hospitals-north-0", "superexec", "online", "warning:"):
        assert word in done.stdout


def test_a_second_up_says_that_it_runs(hospitals: Federation) -> None:
    """Starting what runs changes nothing and is no error, with or without --detach."""
    for options in ([], ["--detach"]):
        done = run("up", hospitals.file, *options)
        assert done.returncode == 0
        assert f"hospitals is running already (supervisor {hospitals.record.pid})" in done.stderr
        assert "127.0.0.1:" in done.stdout


def test_python_joins_what_runs_and_leaves_it_up(hospitals: Federation) -> None:
    """From Python the running one is joined; leaving the context does not end it."""
    with up(load_plan(hospitals.file), hospitals.file) as joined:
        assert not joined.owned
        assert joined.record.pid == hospitals.record.pid
    assert health(hospitals.file).healthy


def test_a_changed_declaration_wants_a_restart(hospitals: Federation) -> None:
    """While it runs, another declaration in the same file is not applied silently."""
    text = hospitals.file.read_text()
    try:
        hospitals.file.write_text(text.replace("share: 1.0", "share: 2.0"))
        done = run("up", hospitals.file, "--detach")
        assert done.returncode == 1
        assert "run `flowerbed down` first" in done.stderr
        assert run("status", hospitals.file).returncode == 1
    finally:
        hospitals.file.write_text(text)
    assert run("status", hospitals.file).returncode == 0


@pytest.mark.needs("haproxy")
def test_connections_are_found_by_user(hospitals: Federation, folder: StateDirectory) -> None:
    """Each user has a connection; nobody named is the first who may submit; an unknown user is refused."""
    default = Connection.load(folder.connection_file())
    assert default.client_certificate == folder.path / "users" / "sam" / "client.crt"
    vera = Connection.load(folder.connection_file("vera"))
    assert vera.address == hospitals.record.endpoints["control"].address
    assert [node.status for node in runs.list_nodes(vera)] == ["online", "online"]
    with pytest.raises(LocalError, match="no user 'nobody'"):
        folder.connection_file("nobody")


@pytest.mark.smoke
def test_an_app_runs_on_every_node_with_its_own_config(hospitals: Federation, hello: Path) -> None:
    """Through the gateway, on both kinds of isolation, a run completes and node configs arrive verbatim."""
    done = submit(hospitals.connection("sam"), hello)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'answers: Hôpital "Nord", west' in done.stdout + done.stderr


@pytest.mark.smoke
@pytest.mark.needs("haproxy")
def test_a_viewer_cannot_submit(hospitals: Federation, hello: Path) -> None:
    """The gateway's refusal reaches the user."""
    done = submit(hospitals.connection("vera"), hello)
    assert done.returncode == 3
    assert "user vera has the role viewer" in done.stderr


def test_what_parts_read_is_private(folder: StateDirectory) -> None:
    """No file of the state folder is open to other users, the database and logs included."""
    open_ones = [
        path for path in folder.path.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    # Flower marks what it unpacks for apps as it likes; the folder above is closed.
    assert [path for path in open_ones if "flwr" not in path.parts] == []
    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_no_secret_is_in_a_command_line_or_log(folder: StateDirectory, hospitals: Federation) -> None:
    """Keys and the SuperExec's secret reach the parts as files."""
    secrets = [(folder.path / "superexec" / "secret").read_text()]
    secrets += (folder.node("hospitals-north-0") / "key").read_text().splitlines()[1:-1]
    texts = [Path(f"/proc/{part.pid}/cmdline").read_text() for part in hospitals.record.parts]
    texts += [log.read_text(errors="replace") for log in (folder.path / "logs").iterdir()]
    assert len(texts) > 10
    assert not [secret for secret in secrets for text in texts if secret in text]


@contextmanager
def supernode(
    folder: StateDirectory, key: Path, state: Path
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run a SuperNode of its own before the shared federation; its log is the second value."""
    log = state / "supernode.log"
    state.mkdir()
    port = 40000 + os.getpid() % 5000
    address = msgspec.json.decode((folder.path / "federation.json").read_bytes())["endpoints"]["fleet"][
        "address"
    ]
    command = [sys.executable, str(ROOT / "generator/flowerbed/flower/launch.py"), "supernode"]
    command += ["--state", str(state)]
    command += ["--superlink", address, "--root-certificates", str(folder.path / "gateway" / "ca.crt")]
    command += ["--auth-supernode-private-key", str(key), "--port", str(port)]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {
        **os.environ,
        "PATH": path,
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        try:
            yield process, log
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.needs("haproxy")
@contextmanager
def listed(folder: StateDirectory, key: NodeKey) -> Iterator[None]:
    """List a key at the gateway, which reads its lists when it reloads (SIGUSR2), for a while."""
    record, file = folder.read(), folder.path / "gateway" / "admitted-keys"
    assert record is not None
    before = file.read_text()
    gateway = [part.pid for part in record.parts if part.name == "gateway"]
    try:
        file.write_text(f"{before}{hashlib.sha256(key.public).hexdigest()}\n")
        for pid in gateway:
            os.kill(pid, signal.SIGUSR2)
        yield
    finally:
        file.write_text(before)
        for pid in gateway:
            os.kill(pid, signal.SIGUSR2)


def test_a_node_waits_until_its_key_is_declared_and_leaves_when_it_is_not(
    hospitals: Federation, folder: StateDirectory, tmp_path: Path
) -> None:
    """An unlisted key waits and says so, joins soon after it is listed, and leaves when it is taken out."""
    key, file = NodeKey.generate(), folder.path / "superlink" / "nodes.json"
    (tmp_path / "key").write_bytes(key.private)
    declared = json.loads(file.read_text())
    connection = Connection.load(folder.connection_past_gateway)

    def state_of_node() -> str:
        nodes = [node for node in runs.list_nodes(connection) if node.public_key.encode() == key.public]
        return nodes[0].status if nodes else "unknown"

    with supernode(folder, tmp_path / "key", tmp_path / "state") as (process, log):
        until(lambda: "waiting: not admitted" in log.read_text(), 20, "a reason to wait")
        assert state_of_node() == "unknown"
        try:
            file.write_text(json.dumps({**declared, "visitor": key.public.decode()}))
            with listed(folder, key):
                until(lambda: state_of_node() == "online", 40, "the node online")
                until(lambda: "SuperNode ID" in log.read_text(), 40, "the SuperNode started")
        finally:
            file.write_text(json.dumps(declared))
        until(lambda: state_of_node() == "unregistered", 20, "the node unregistered")
        until(lambda: process.poll() is not None, 40, "the SuperNode gone")
    assert health(hospitals.file).healthy
    said = (folder.path / "logs" / "registrar.log").read_text()
    assert '"event": "registered", "node": "visitor"' in said
    assert '"event": "unregistered", "node": "visitor"' in said
    assert "BEGIN" not in said


def test_two_federations_run_side_by_side(hospitals: Federation, hello: Path, tmp_path: Path) -> None:
    """Another one, without TLS and users, has ports and nodes of its own; a run completes in it."""
    text = "version: 1\nname: clinics\nflower: '1.41'\ninsecure: true\ntenants:\n"
    text += "  - {name: east, nodes: 1, config: {site: east}}\n"
    text += "  - {name: far, nodes: 1, isolation: process, config: {site: far}}\n"
    file = declare(tmp_path, text)
    with up(load_plan(file), file) as clinics:
        ours, theirs = set(clinics.record.ports.values()), set(hospitals.record.ports.values())
        assert not ours & theirs
        found = health(file)
        assert found.healthy
        assert [node.state for node in found.nodes] == ["online", "online"]
        assert "INSECURE" in run("status", file).stdout
        done = submit(clinics.connection(), hello)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "answers: east, far" in done.stdout + done.stderr
    until_gone(file)
    assert health(hospitals.file).healthy


@pytest.mark.smoke
def test_without_a_gateway_it_says_who_may_do_what_and_ends_under_followers(
    hello: Path, tmp_path: Path
) -> None:
    """Without HAProxy all goes over the SuperLink's own listener; the danger is named; `down` is bounded."""
    text = "version: 1\nname: bare\nflower: '1.41'\ntenants:\n"
    text += '  - {name: home, nodes: 1, keys: brought, public-keys: ["' + brought() + '"]}\n'
    text += "users:\n  - {name: analyst, role: submitter}\n"
    file = declare(tmp_path, text)
    done = run("up", file, "--detach", "--json", environment={"FLOWERBED_NO_GATEWAY": "1"})
    try:
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert not said["gateway"]
        assert len({endpoint["address"] for endpoint in said["endpoints"].values()}) == 1
        assert any("every user of this machine may start runs" in warning for warning in said["warnings"])
        assert "tenant home brings its keys: keys generated here" in done.stderr
        connection = Connection.load(StateDirectory.of(file, "bare").connection_file("analyst"))
        assert connection.client_certificate is None
        assert [node.status for node in runs.list_nodes(connection)] == ["online"]
        # A SuperLink with a follower of logs does not end by itself (flwr 1.41).
        with FlowerClient(connection) as client:
            run_id = flower_runs.start(client, flower_app.load(hello), {"seconds": 300.0})
            follower = flower_runs.log(client, run_id)
            assert next(follower)
            begin = time.monotonic()
            assert run("down", file).returncode == 0
            assert time.monotonic() - begin < 20
            with contextlib.suppress(UnreachableError):
                assert list(follower) is not None
    finally:
        run("down", file)
    until_gone(file)


def brought() -> str:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_public_key(NodeKey.generate().public)
    openssh = serialization.PublicFormat.OpenSSH
    return key.public_bytes(serialization.Encoding.OpenSSH, openssh).decode()


HOLDER = """
import pathlib, sys, time
import flowerbed.local
with flowerbed.local.federation(pathlib.Path(sys.argv[1])) as running:
    print(running.connection(), flush=True)
    time.sleep(300)
"""


def test_a_federation_ends_with_the_python_that_started_it(tmp_path: Path) -> None:
    """When the process that holds it is killed, nothing of the federation is left."""
    file = declare(tmp_path, ONE_NODE.format(name="held"))
    command = [sys.executable, "-c", HOLDER, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip().endswith("users/default.toml")
        kill(holder.pid)
    until_gone(file)
    until(lambda: StateDirectory.of(file, "held").running() is None, GONE, "its supervisor is left")
    with pytest.raises(LocalError, match="no local federation runs here"):
        StateDirectory.of(file, "held").connection_file()


def test_options_are_the_same_for_python_and_the_command_line() -> None:
    """`flowerbed up` waits as long as `flowerbed.local.up` does, and uses a gateway like it."""
    done = subprocess.run(flowerbed("up", "--help"), capture_output=True, text=True, check=True)
    assert f"{Options().timeout:g}" in done.stdout
