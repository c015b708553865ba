"""Where apps run: beside their node, in a Deployment, or one Pod per task; ServerApps likewise."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from harness.cluster import Cluster
from parties import DIGITS, HALVES, Federation, Party, declare, final_accuracy

CONTROL = 31193
SERVER_TASKS = "podwise-tasks"
CLIENT_TASKS = "podwise-pods-tasks"


@pytest.fixture(scope="module")
def federation(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Install one tenant for each executor; the SuperLink's own executor makes Pods."""
    north, south = HALVES
    spaces = ["podwise", SERVER_TASKS, "podwise-pods", CLIENT_TASKS, "podwise-apart"]
    with cluster.namespaces(*spaces):
        for space in (SERVER_TASKS, CLIENT_TASKS):
            cluster.kubectl("create", "quota", "tasks", "--hard=pods=2", "-n", space)
        declared = declare(
            tmp_path_factory.mktemp("podwise"),
            f"""
version: 1
name: podwise
superlink:
  namespace: podwise
  executor: kubernetes
  exposure: {{control: {{type: node-port, host: {cluster.address}, port: {CONTROL}}}}}
tenants:
  - {{name: pods, nodes: 1, namespace: podwise-pods, isolation: process, executor: kubernetes,
     config: {north}}}
  - {{name: apart, nodes: 1, namespace: podwise-apart, isolation: process, executor: deployment,
     config: {south}}}
  - {{name: beside, nodes: 1, namespace: podwise-apart, isolation: process, executor: sidecar,
     config: {south}}}
users: [{{name: analyst, role: submitter}}]
""",
            {"": cluster.environment},
        )
        declared.install()
        yield declared


def test_every_executor_trains(federation: Federation) -> None:
    """One run through all of them: it completes, and every node answers in every round."""
    outcome = federation.submit(
        DIGITS, "--set", "min-nodes=3", "--set", "num-server-rounds=2", "--set", "accuracy-floor=0.8"
    )
    assert (outcome.code, outcome.result["status"]) == (0, "completed"), outcome.narration
    assert final_accuracy(outcome) > 0.8
    assert "0 failures" in outcome.narration


def test_task_pods_leave_nothing(federation: Federation) -> None:
    """After a run its Pods and their Secrets are gone: Flower sweeps those that ended."""
    end = time.monotonic() + 120
    while left := [
        name for space in (SERVER_TASKS, CLIENT_TASKS) for name in task_objects(federation.coordinator, space)
    ]:
        assert time.monotonic() < end, left
        time.sleep(2)


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


def task_objects(party: Party, namespace: str) -> list[str]:
    """Return the names of task pods, and of their Secrets, in a namespace."""
    return party.run(
        f"kubectl get pods,secrets -n {namespace} -o name | grep flwr-taskexecutor || true"
    ).splitlines()
