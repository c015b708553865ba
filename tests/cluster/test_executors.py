"""Where apps run, and what they read there: beside their node, in a Deployment, or one Pod per task."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from followed_runs import APP as ROUNDS
from harness.cluster import Cluster
from parties import DIGITS, FLOWERBED, HALVES, Federation, Party, declare, final_accuracy, submit

from marked import table
from support.app_reads import APP, STAY, Found, other_app, read, rows
from support.generated import assert_generated

CONTROL = 31193
SERVER_TASKS = "podwise-tasks"
CLIENT_TASKS = "podwise-pods-tasks"
SPACES = ("podwise", SERVER_TASKS, "podwise-pods", CLIENT_TASKS, "podwise-apart")
# Columns of the table: whose app, and where it runs.
SERVERS = ("kubernetes", "deployment", "sidecar")
CLIENTS = ("subprocess", "sidecar", "deployment", "kubernetes")
Record = Callable[[str, object], None]


def declaration(address: str, executor: str) -> str:
    """Return one tenant for each place of ClientApps, and a place for ServerApps; two users submit."""
    north, south = (half.rstrip("}") for half in HALVES)
    return f"""
version: 1
name: podwise
superlink:
  namespace: podwise
  executor: {executor}
  exposure: {{control: {{type: node-port, host: {address}, port: {CONTROL}}}}}
tenants:
  - {{name: pods, nodes: 1, namespace: podwise-pods, isolation: process, executor: kubernetes,
     config: {north}, place: kubernetes}}}}
  - {{name: apart, nodes: 1, namespace: podwise-apart, isolation: process, executor: deployment,
     config: {south}, place: deployment}}}}
  - {{name: beside, nodes: 1, namespace: podwise-apart, isolation: process, executor: sidecar,
     config: {south}, place: sidecar}}}}
  - {{name: within, nodes: 1, namespace: podwise-apart, isolation: subprocess,
     config: {north}, place: subprocess}}}}
users: [{{name: analyst, role: submitter}}, {{name: lead, role: operator}}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the declaration and its bundles are."""
    return tmp_path_factory.mktemp("podwise")


@pytest.fixture(scope="module")
def federation(cluster: Cluster, folder: Path) -> Iterator[Federation]:
    """Install one tenant for each executor; the SuperLink's own executor makes Pods."""
    with cluster.namespaces(*SPACES):
        for space in (SERVER_TASKS, CLIENT_TASKS):
            cluster.kubectl("create", "quota", "tasks", "--hard=pods=2", "-n", space)
        text = declaration(cluster.address, "kubernetes")
        declared = declare(folder, text, {"": cluster.environment})
        declared.install()
        yield declared


def test_every_executor_trains(federation: Federation) -> None:
    """One run through all of them: it completes, and every node answers in every round."""
    outcome = federation.submit(
        DIGITS, "--set", "min-nodes=4", "--set", "num-server-rounds=2", "--set", "accuracy-floor=0.8"
    )
    assert (outcome.code, outcome.result["status"]) == (0, "completed"), outcome.narration
    assert final_accuracy(outcome) > 0.8
    assert "0 failures" in outcome.narration
    assert "file model.npz (1 part)\n" in outcome.narration, "out of a Pod that is gone"


def test_task_pods_leave_nothing(federation: Federation) -> None:
    """After a run its Pods and their Secrets are gone: Flower sweeps those that ended."""
    end = time.monotonic() + 120
    while left := [
        name for space in (SERVER_TASKS, CLIENT_TASKS) for name in task_objects(federation.coordinator, space)
    ]:
        assert time.monotonic() < end, left
        time.sleep(2)


def test_a_stopped_run_frees_every_node(federation: Federation, record_property: Record) -> None:
    """What it computes ends wherever ClientApps run: the next run has all four nodes soon after."""
    connection = federation.connection()
    slow = ("--set", "nodes=4", "--set", "rounds=1", "--set", "work=900.0", "--set", "patience=900.0")
    stopped = submit(ROUNDS, "--connection", connection, "--detach", *slow)
    end = time.monotonic() + 120
    while (begun := at_work(federation)) < len(CLIENTS):
        assert time.monotonic() < end, f"{begun} ClientApps have begun"
        time.sleep(1)
    words("stop", stopped.run_id, connection)
    start = time.monotonic()
    after = federation.submit(ROUNDS, "--set", "nodes=4", "--set", "rounds=1", "--set", "work=0.0")
    record_property(
        "a round of all nodes after the stop of a run that held them", f"{time.monotonic() - start:.1f} s"
    )
    told = re.search(r"ROUND (\{.*\})", after.narration)
    assert told, after.narration
    assert len(json.loads(told[1])["answered"]) == len(CLIENTS), after.narration


def at_work(federation: Federation) -> int:
    """Return how many ClientApps say that they are at work, wherever they run."""
    said = ""
    for space in (CLIENT_TASKS, "podwise-apart"):
        names = f"kubectl get pods -n {space} -o name"
        logs = f"kubectl logs -n {space} --all-containers $pod 2>/dev/null || true"
        said += federation.coordinator.run(f"for pod in $({names}); do {logs}; done")
    return said.count("at work")


def test_nobody_but_the_node_mounts_its_key(federation: Federation) -> None:
    """Of all pods in the tenants' namespaces only the container `supernode` mounts a node key."""
    holders = set()
    for space in ("podwise-pods", CLIENT_TASKS, "podwise-apart"):
        pods = json.loads(federation.coordinator.run(f"kubectl get pods -n {space} -o json"))["items"]
        for pod in pods:
            keyed = {
                volume["name"]
                for volume in pod["spec"]["volumes"]
                if volume.get("secret", {}).get("secretName", "").endswith("-node-keys")
            }
            holders |= {
                container["name"]
                for container in pod["spec"]["containers"]
                if keyed & {mount["name"] for mount in container["volumeMounts"]}
            }
    assert holders == {"supernode"}


def test_the_table_of_what_apps_read_is_true(
    federation: Federation, cluster: Cluster, folder: Path, tmp_path: Path, record_property: Record
) -> None:
    """Wherever apps run: what access.md says is what an app found there, beside another run."""
    other = other_app(tmp_path / "other")
    found, seconds = looked(federation, other)
    record_property("a run of one round, ServerApp by kubernetes", f"{seconds:.1f} s")
    columns = {f"ClientApp, {place}": found[place] for place in CLIENTS}
    servers = {"ServerApp, kubernetes": found["server"]}
    for executor in SERVERS[1:]:
        changed = declare(folder, declaration(cluster.address, executor), {"": cluster.environment})
        changed.coordinator.install()
        changed.coordinator.check()
        beside, seconds = looked(changed, other)
        record_property(f"a run of one round, ServerApp by {executor}", f"{seconds:.1f} s")
        servers[f"ServerApp, {executor}"] = beside["server"]
    written = table(["what can be read", *servers, *columns], rows({**servers, **columns}))
    assert_generated("docs/reference/access.md", "reads", written)
    assert not any((servers["ServerApp, kubernetes"] | columns["ClientApp, kubernetes"]).values())


def looked(federation: Federation, other: Path) -> tuple[dict[str, Found], float]:
    """Return what each side of a run reads while another user's run is there, and the seconds it took."""
    connection = federation.connection("lead")
    stays = submit(other, "--connection", connection, "--detach", "--set", f"stay={STAY}")
    assert stays.code == 0, stays.narration
    try:
        end = time.monotonic() + 120
        while "it stays" not in (said := words("logs", stays.run_id, connection)):
            assert time.monotonic() < end, said
            assert "Exit Code" not in said, said
            time.sleep(2)
        start = time.monotonic()
        looks = federation.submit(APP)
        seconds = time.monotonic() - start
    finally:
        words("stop", stays.run_id, connection)
    assert looks.code == 0, looks.narration
    return read(looks.narration), seconds


def words(verb: str, run: str, connection: Path) -> str:
    """Return what a verb of `flowerbed` prints of a run."""
    command: list[str | Path] = [FLOWERBED, verb, run, "--connection", connection]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout


def task_objects(party: Party, namespace: str) -> list[str]:
    """Return the names of task pods, and of their Secrets, in a namespace."""
    return party.run(
        f"kubectl get pods,secrets -n {namespace} -o name | grep flwr-taskexecutor || true"
    ).splitlines()
