"""Flower's Kubernetes executor finds the client of the Kubernetes API that the charts bring."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flowerbed.flower.programs import kubernetes_client
from support.chart_release import render
from support.https_server import serving
from support.paths import CHARTS

SUPERLINK = (
    "superlink",
    {"superexec": {"executor": "kubernetes"}},
    "Deployment/hospitals-superlink-superexec",
)
SUPERNODE = (
    "supernode",
    {
        "superlink": {"address": "localhost:1"},
        "tls": {"existingSecret": "ca"},
        "isolationMode": "process",
        "superexec": {"executor": "kubernetes"},
    },
    "Deployment/hospitals-north-superexec-0",
)
ASK = (
    "from flwr.supercore.superexec.executor import kubernetes_executor as own\n"
    "own.create_incluster_kubernetes_client()"
)


@pytest.fixture(params=[SUPERLINK, SUPERNODE], ids=["superlink", "supernode"])
def mounted(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the folder that a SuperExec has on its PYTHONPATH, laid out as the pod says."""
    chart, values, owner = request.param
    (pod,) = [pod for pod in render(chart, values).pods() if pod.owner == owner]
    container = pod.container("superexec")
    (path,) = [entry["value"] for entry in container["env"] if entry["name"] == "PYTHONPATH"]
    (name,) = [mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == path]
    (volume,) = [volume for volume in pod.spec["volumes"] if volume["name"] == name]
    for item in volume["configMap"]["items"]:
        file = tmp_path / item["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((CHARTS / chart / "files" / item["key"].replace("--", "/")).read_bytes())
    return tmp_path


def started(path: Path | str) -> str:
    """Return why Flower's executor gets no client here, which is no pod."""
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={"PYTHONPATH": str(path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr


def test_flower_finds_the_client(mounted: Path) -> None:
    """With it Flower asks for the pod's account; without it, for the package that its images lack."""
    assert "Failed to load in-cluster Kubernetes configuration" in started(mounted)
    assert "Install the official 'kubernetes' package" in started("/nowhere")


def test_answers_refusals_and_silence_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Flower decides by: the status of a refusal, and the kind of error where no server answers."""
    account, root = tmp_path / "account", tmp_path / "root"
    pods = root / "api/v1/namespaces/tasks/pods"
    account.mkdir()
    pods.parent.mkdir(parents=True)
    pods.write_text(json.dumps({"items": [{"metadata": {"name": "one"}}]}))
    (account / "token").write_text("t0ken\n")
    monkeypatch.setattr(kubernetes_client, "ACCOUNT", account)
    api = kubernetes_client.CoreV1Api()
    with serving(root) as server:
        (account / "ca.crt").write_bytes(server.authority.certificate)
        host, _, port = server.address.rpartition(":")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
        kubernetes_client.load_incluster_config()
        listed = api.list_namespaced_pod("tasks", label_selector="a=b")
        assert [pod["metadata"]["name"] for pod in listed["items"]] == ["one"]
        assert server.seen[-1] == ("/api/v1/namespaces/tasks/pods", "Bearer t0ken")
        with pytest.raises(kubernetes_client.ApiError) as refused:
            api.list_namespaced_secret("tasks", label_selector="a=b")
        assert refused.value.status == 404
        monkeypatch.setattr(kubernetes_client, "LIMIT", 10)
        with pytest.raises(ConnectionError, match="more than 10 bytes"):
            api.list_namespaced_pod("tasks", label_selector="a=b")
    with pytest.raises(ConnectionError, match="the Kubernetes API at"):
        api.delete_namespaced_secret("one", "tasks")
