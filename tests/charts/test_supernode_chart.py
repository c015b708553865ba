"""The SuperNode chart: whose keys are where, and what Flower reads of its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from support.chart_release import CASES, Pod, Release, render
from support.pod_security import violations
from support.task_pods import executor_keys, flowers_pod

CASES_HERE = [case for case in CASES if case.chart == "supernode"]
EXECUTORS = ("sidecar", "deployment", "kubernetes")


def release(**values: Any) -> Release:  # noqa: ANN401
    """Return a release of two nodes."""
    base = {"superlink": {"address": "x:1"}, "tls": {"existingSecret": "ca"}, "replicas": 2}
    return render("supernode", {**base, **values})


def mounters(pod: Pod, volume: str) -> set[str]:
    """Return the containers that mount a volume."""
    return {
        item["name"]
        for item in pod.containers
        if volume in {mount["name"] for mount in item.get("volumeMounts", [])}
    }


@pytest.mark.parametrize("case", CASES_HERE, ids=str)
def test_only_a_supernode_sees_a_node_key_and_only_its_own(case: Any) -> None:  # noqa: ANN401
    """The Secret with the keys is in the StatefulSet's pods alone; one container mounts one entry of it."""
    found = case.render()
    keys = case.values.get("keys", {})
    secret = keys.get("existingSecret") or f"{found.one('StatefulSet')['metadata']['name']}-node-keys"
    for pod in found.pods():
        holding = [v["name"] for v in pod.spec["volumes"] if v.get("secret", {}).get("secretName") == secret]
        if (
            not pod.owner.startswith("StatefulSet/")
            or case.values.get("insecure")
            or keys.get("enabled") is False
        ):
            assert holding == [], pod.owner
            continue
        assert holding == ["keys"]
        assert mounters(pod, "keys") == {"supernode"}
        (mount,) = [m for m in pod.container("supernode")["volumeMounts"] if m["name"] == "keys"]
        assert mount["subPathExpr"] == "$(FLOWERBED_NODE)"
        (node,) = [e for e in pod.container("supernode")["env"] if e["name"] == "FLOWERBED_NODE"]
        assert node["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_apps_and_keys_are_in_different_containers(executor: str) -> None:
    """With isolationMode process, data and Secrets of apps are nowhere near the node's key."""
    values: dict[str, Any] = {"isolationMode": "process", "superexec": {"executor": executor}}
    values["data"] = [{"claim": "scans", "mountPath": "/data"}]
    for pod in release(**values).pods():
        for container in pod.containers:
            paths = {mount["mountPath"] for mount in container.get("volumeMounts", [])}
            assert not {"/key/node", "/data"} <= paths, f"{pod.owner}/{container['name']}"
            private = {"/state", "/key/node", "/ca"}
            assert container["name"] in {"supernode", "call"} or not private & paths


def test_no_shared_process_namespace() -> None:
    """No pod shares its processes: an app could read the key through another container's /proc."""
    for case in CASES_HERE:
        for pod in case.render().pods():
            assert not pod.spec.get("shareProcessNamespace"), f"{case} {pod.owner}"


def test_node_config_is_read_by_flower_as_it_was_written(tmp_path: Path) -> None:
    """Flower's own reader of --node-config gives the values back, tables with dotted keys."""
    from flwr.common.config import parse_config_args

    text = 'site = "Hôpital \\"Nord\\""\nrate = 1.0\nbig = 9007199254740993\non = true\n[deep.er]\nx = "=,"\n'
    config = release(node={"config": text}).one("ConfigMap", "hospitals-north-nodes")["data"]
    file = tmp_path / "config.toml"
    file.write_text(config["hospitals-north-1.toml"], encoding="utf-8")
    read = parse_config_args([str(file)])
    assert read == {
        "partition-id": 1, "num-partitions": 2, "site": 'Hôpital "Nord"', "rate": 1.0,
        "big": 9007199254740993, "on": True, "deep.er.x": "=,",
    }  # fmt: skip
    assert isinstance(read["rate"], float)


def task_pod(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an executor's configuration, and the pod that Flower itself makes of it."""
    found = release(isolationMode="process", **values)
    config = yaml.safe_load(
        found.one("ConfigMap", "hospitals-north-executor")["data"]["hospitals-north-1.yaml"]
    )
    assert set(config) <= executor_keys()
    return config, flowers_pod(config, "client", "node:9094", "/runtime/ca.crt")


def test_flower_makes_sound_task_pods_of_the_configuration() -> None:
    """Flower's own executor ignores no key, and its pods are restricted and have the data."""
    values = {
        "superexec": {"executor": "kubernetes"},
        "data": [{"claim": "scans", "mountPath": "/data", "perNode": True}],
        "env": {"WORD": "$(HOME) {{ x }}"},
        "nodeSelector": {"gpu": "yes"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "training",
        "podLabels": {"team": "imaging"},
        "podAnnotations": {"note": "a: b"},
        "tasks": {"serviceAccountName": "puller", "activePodBudget": 2},
    }
    config, made = task_pod(values)
    spec = made["spec"]
    labels = made["metadata"]["labels"]
    pod = Pod("task", config["namespace"], labels, {}, spec)
    assert violations(pod) == []
    assert (config["active-pod-budget"], made["metadata"]["namespace"]) == (2, "north-tasks")
    # The NetworkPolicies and the executor's own sweep go by these.
    assert labels.items() >= {
        "app.kubernetes.io/component": "taskexecutor", "app.kubernetes.io/instance": "hospitals-north",
        "flowerbed/node": "hospitals-north-1", "team": "imaging",
    }.items()  # fmt: skip
    assert made["metadata"]["annotations"] == {"note": "a: b"}
    (container,) = spec["containers"]
    (data,) = [mount for mount in container["volumeMounts"] if mount["mountPath"] == "/data"]
    assert (data["readOnly"], data["subPath"]) == (True, "hospitals-north-1")
    assert {"name": "WORD", "value": "$$(HOME) {{ x }}"} in container["env"]
    assert (spec["serviceAccountName"], spec["priorityClassName"]) == ("puller", "training")
    assert spec["nodeSelector"] == {"gpu": "yes"}
    (rendered,) = [p for p in release(isolationMode="process", **values).task_pods() if "-1.yaml" in p.owner]
    assert rendered.labels == {
        key: value for key, value in labels.items() if not key.startswith("flower.ai/")
    }


def test_each_superexec_has_a_label_of_its_own() -> None:
    """Budget and sweep go by labels, so no two SuperExecs share theirs."""
    found = release(isolationMode="process", superexec={"executor": "kubernetes"})
    labels = [tuple(sorted(pod.labels.items())) for pod in found.task_pods()]
    assert len(set(labels)) == len(labels) == 2
