"""`flowerbed apply`, `diff`, `status` and `uninstall` on a real cluster: three namespaces, five nodes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from followed_runs import rounds_of, running
from harness.built import BuiltCluster
from harness.cluster import Cluster
from kept_federation import identity, nodes, runs
from parties import Federation

from flowerbed.declaration import load_plan
from support.json_shapes import assert_shape

Record = Callable[[str, object], None]
CONTROL = 31893
TEXT = """\
version: 1
name: applied
flower: "1.41"
superlink:
  namespace: applied
  exposure: {control: {type: node-port, host: ADDRESS, port: PORT}}
tenants:
  - {name: north, namespace: applied-north, nodes: 2}
  - {name: south, namespace: applied-south, nodes: 3}
users: [{name: watcher, role: viewer}, {name: analyst, role: submitter}]
"""
NAMESPACES = ("applied", "applied-north", "applied-south")
PATIENCE = 300
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def file(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the declaration."""
    file = tmp_path_factory.mktemp("applied") / "federation.yaml"
    file.write_text(TEXT.replace("ADDRESS", cluster.address).replace("PORT", str(CONTROL)))
    return file


@pytest.fixture(scope="module")
def run(cluster: Cluster, file: Path) -> Iterator[Run]:
    """Run `flowerbed VERB` about the declaration; its namespaces are removed at the end."""

    def flowerbed(verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flowerbed", verb, "-f", str(file), *arguments]
        environment = dict(cluster.environment)
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE + 60,
            check=False,
        )

    with cluster.removed(*NAMESPACES):
        yield flowerbed


@pytest.fixture(scope="module")
def applied(run: Run) -> dict[str, Any]:
    """Apply the declaration to a cluster that has nothing of it; return what `--json` tells."""
    differs = run("diff", "--json")
    assert differs.returncode == 1, differs.stderr
    assert_shape("diff", json.loads(differs.stdout))
    began = time.monotonic()
    done = run("apply", "--timeout", str(PATIENCE), "--json")
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    assert "$ kubectl create namespace applied-north" in done.stderr
    assert_shape("apply", json.loads(done.stdout))
    return {**json.loads(done.stdout), "seconds": seconds}


def declared(file: Path, cluster: Cluster) -> Federation:
    return Federation(load_plan(file), file.parent / "bundles" / "applied", {"": cluster.environment})


def kubectl(cluster: Cluster, *words: str) -> str:
    command = ["kubectl", *words]
    environment = dict(cluster.environment)
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def pods(cluster: Cluster) -> str:
    """Return every pod's identity and restarts: what a needless change would alter."""
    columns = "jsonpath={range .items[*]}{.metadata.uid}{.status.containerStatuses[*].restartCount}{end}"
    return "".join(kubectl(cluster, "get", "pods", "-n", name, "-o", columns) for name in NAMESPACES)


def test_apply_brings_every_party_to_readiness(applied: dict[str, Any], record_property: Record) -> None:
    """Coordinator and tenants are ready, and everything that was made is named."""
    record_property("apply, until five nodes are online", f"{applied['seconds']:.0f} s")
    assert applied["ready"]
    assert [party["party"] for party in applied["parties"]] == ["coordinator", "north", "south"]
    assert "Namespace applied-south" in applied["parties"][2]["changed"]


def test_a_second_run_changes_nothing(applied: dict[str, Any], run: Run, cluster: Cluster) -> None:
    """No command runs, no pod restarts, and `diff` agrees."""
    before = pods(cluster)
    done = run("apply", "--json")
    assert done.returncode == 0, done.stderr
    assert [party["changed"] for party in json.loads(done.stdout)["parties"]] == [[], [], []]
    assert "$ " not in done.stderr
    assert run("diff").returncode == 0
    assert pods(cluster) == before


def test_status_tells_both_sides(applied: dict[str, Any], run: Run) -> None:
    """All five nodes are online to the SuperLink itself; the certificate was seen, not assumed."""
    done = run("status", "--cluster", "--json")
    found = json.loads(done.stdout)
    assert_shape("status.cluster", found)
    assert (done.returncode, found["healthy"]) == (0, True), found["findings"]
    assert [(node["state"], node["source"]) for node in found["nodes"]] == [("online", "superlink")] * 5
    gateway = next(each for each in found["certificates"] if each["owner"] == "gateway")
    assert {each["fingerprint"] for each in found["endpoints"]} == {gateway["fingerprint"]}
    assert found["flower"]["running"]["north"] == ["1.41.0"]


@pytest.mark.usefixtures("applied")
def test_the_first_round_begins_soon(file: Path, cluster: Cluster, record_property: Record) -> None:
    """A run on all five nodes is submitted from outside; how long its app waits for its first round."""
    federation = declared(file, cluster)
    started = time.monotonic()
    with running(federation, rounds=1, work=0.1, nodes=5) as followed:
        followed.wait_for("BEGIN", 1)
        record_property("first round of the first run", f"{time.monotonic() - started:.1f} s after submit")
        assert followed.end()["status"] == "completed"
    record_property("its rounds", rounds_of(followed))


def test_what_was_changed_by_hand_is_told_and_put_back(
    applied: dict[str, Any], run: Run, cluster: Cluster
) -> None:
    """A Secret that is gone and a scaled StatefulSet are differences, which `apply` puts right."""
    kubectl(cluster, "delete", "secret", "applied-north-node-keys", "-n", "applied-north")
    kubectl(cluster, "scale", "statefulset", "applied-north", "--replicas", "1", "-n", "applied-north")
    found = run("diff", "--party", "north")
    assert found.returncode == 1
    assert "change Secret applied-north-node-keys" in found.stdout
    assert "repair StatefulSet applied-north" in found.stdout
    assert "PRIVATE KEY" not in found.stdout
    done = run("apply", "--party", "north", "--timeout", str(PATIENCE))
    assert done.returncode == 0, done.stdout
    assert run("diff", "--party", "north").returncode == 0


@pytest.mark.usefixtures("applied")
def test_apply_waits_through_an_absence_of_the_api_server(file: Path, cluster: Cluster) -> None:
    """It goes away while nodes start: that is told, and the nodes are ready in the end."""
    if not isinstance(cluster, BuiltCluster):
        pytest.skip("only the API server of a cluster that is built here is ended")
    kubectl(cluster, "scale", "statefulset", "applied-south", "--replicas", "0", "-n", "applied-south")
    command = [sys.executable, "-m", "flowerbed", "apply", "-f", str(file), "--party", "south"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=dict(cluster.environment), stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        told = ""
        while "waiting for " not in told and (line := process.stderr.readline()):
            told += line
        with cluster.without("kube-apiserver"):
            time.sleep(5)
        told += process.stderr.read()
        assert process.wait(PATIENCE) == 0, told
        assert "south: ready after" in process.stdout.read()
    assert "refused" in told


def left(cluster: Cluster, kinds: str) -> dict[str, str]:
    """Return the objects of some kinds in the namespaces, with what tells each from a successor."""
    columns = "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.uid}{'\\n'}{end}"
    text = "".join(kubectl(cluster, "get", kinds, "-n", name, "-o", columns) for name in NAMESPACES)
    return dict(line.split(" ") for line in text.splitlines())


@pytest.mark.usefixtures("applied")
def test_what_uninstall_keeps_brings_the_runs_back(
    run: Run, file: Path, cluster: Cluster, record_property: Record
) -> None:
    """No release and no pod is left; claim and Secrets are the same; `apply` brings runs and nodes back."""
    federation = declared(file, cluster)
    known, before = identity(nodes(federation)), [one.run_id for one in runs(federation)]
    kept = left(cluster, "persistentvolumeclaims,secrets")
    kept = {name: uid for name, uid in kept.items() if "sh.helm.release" not in name}
    assert before
    assert {"PersistentVolumeClaim/applied-superlink-state", "Secret/applied-north-node-keys"} <= set(kept)
    began = time.monotonic()
    done = run("uninstall", "--json")
    record_property("uninstalled", f"in {time.monotonic() - began:.0f} s")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert_shape("uninstall", found)
    assert [party["result"] for party in found["parties"]] == ["removed"] * 3
    assert left(cluster, "pods,statefulsets,deployments,services,networkpolicies") == {}
    assert left(cluster, "persistentvolumeclaims,secrets") == kept
    again = run("uninstall")
    assert again.returncode == 0, again.stderr
    assert "north: release applied-north is not installed" in again.stderr
    assert "PersistentVolumeClaim applied-superlink-state" in again.stdout
    done = run("apply", "--timeout", str(PATIENCE))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [one.run_id for one in runs(federation)] == before
    assert identity(nodes(federation)) == known


@pytest.mark.usefixtures("applied")
def test_a_purge_leaves_nothing_but_the_bundles(run: Run, file: Path, cluster: Cluster) -> None:
    """Without a terminal it needs `--yes`. A namespace with something else in it stays, then goes as well."""
    before = pods(cluster)
    refused = run("uninstall", "--purge")
    assert (refused.returncode, "pass --yes" in refused.stderr) == (2, True)
    assert pods(cluster) == before
    kubectl(cluster, "create", "configmap", "own", "-n", "applied-south")
    done = run("uninstall", "--purge", "--yes", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    kept = [each for party in json.loads(done.stdout)["parties"] for each in party["kept"]]
    assert [(each["name"], each["what"]) for each in kept] == [
        ("applied-south", "it also holds configmap/own")
    ]
    kubectl(cluster, "delete", "configmap", "own", "-n", "applied-south")
    assert run("uninstall", "--purge", "--yes").returncode == 0
    there = kubectl(cluster, "get", "namespaces", "-o", "name").split()
    assert not [name for name in there if name.removeprefix("namespace/") in NAMESPACES]
    assert (file.parent / "bundles" / "applied" / "tenants" / "north" / "secrets.yaml").exists()
