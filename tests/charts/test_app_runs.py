"""Jobs of the app chart and pods of the SuperNode chart, run as rendered: an app really runs on both."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from flowerbed.flower.runs import runs
from flowerbed.identities.node_keys import NodeKey
from flowerbed.runs.records.capturing import capture
from support.chart_release import Release, render
from support.local_pod import LocalPod, wait_for
from support.paths import TESTS
from support.ports import free_port
from support.real_superlink import RealSuperLink, end, running

pytestmark = pytest.mark.pods

ECHO = TESTS / "charts" / "echo_app"
HOSTILE = "q\" b\\ s' {{ .Values }} $(HOME) $$ ; ../ \x7f \t é 😀 \n--insecure"
NODE_CONFIG = {"site": HOSTILE, "whole": 1.0, "big": 2**53 + 1, "on": True, "deep.er": "x"}
NODE_TOML = f"""
site = {json.dumps(HOSTILE.replace(chr(0x7F), "DEL"), ensure_ascii=False)}
whole = 1.0
big = {2**53 + 1}
on = true
[deep]
er = "x"
""".replace("DEL", "\\u007f")


def supernode_values(superlink: RealSuperLink, executor: str) -> dict[str, Any]:
    """Return values of one SuperNode whose apps run apart from it."""
    return {
        "superlink": {"address": superlink.address},
        "tls": {"existingSecret": "ca"},
        "isolationMode": "process",
        "superexec": {"executor": executor},
        "node": {"config": NODE_TOML},
        "env": {"HOSTILE": HOSTILE},
    }


def start_node(superlink: RealSuperLink, name: str, executor: str, root: Path) -> list[LocalPod]:
    """Start a release's pods, registered, and return them."""
    release = render("supernode", supernode_values(superlink, executor), release=(name, "ns"))
    key = NodeKey.generate()
    outside = {
        "ca": {"ca.crt": superlink.authority.certificate},
        f"{name}-node-keys": {f"{name}-0": key.private},
        f"{name}-superexec": {"secret": b"0123456789abcdef0123456789abcdef"},
    }
    port = str(free_port())
    pods = []
    for pod in release.pods():
        if pod.owner.startswith("Pod/"):
            continue
        local = LocalPod(release, pod, root / pod.owner.replace("/", "-"), outside)
        local.name = f"{name}-0"
        # Only a cluster's DNS knows the pods' names.
        local.swaps = {"9094": port, f"{name}-0.{name}-runtime.ns.svc.cluster.local": "localhost"}
        local.swaps |= {f"$(FLOWERBED_NODE).{name}-runtime.ns.svc.cluster.local": "localhost"}
        local.run_init_containers()
        for container in pod.spec["containers"]:
            local.start(container["name"])
        pods.append(local)
    superlink.register(key.public, name)
    return pods


def ready(pod: LocalPod) -> bool:
    """Return whether the readiness probe of every container passes."""
    names = [container["name"] for container in pod.pod.spec["containers"]]
    return all(pod.probe(name, "readinessProbe").returncode == 0 for name in names)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSuperLink]:
    """Yield a SuperLink with two nodes: one has its SuperExec as a sidecar, one in a pod of its own."""
    root = tmp_path_factory.mktemp("federation")
    (root / "superlink").mkdir()
    with running(root / "superlink") as superlink, ExitStack() as stack:
        stack.callback(end, superlink.superexec())
        pods: list[LocalPod] = []
        for name, executor in (("trial-side", "sidecar"), ("trial-apart", "deployment")):
            for pod in start_node(superlink, name, executor, root / name):
                pods.append(stack.enter_context(pod))
        online = {"trial-side": "online", "trial-apart": "online"}
        wait_for("two nodes online", lambda: superlink.nodes() == online, 60)
        wait_for("every container Ready", lambda: all(ready(pod) for pod in pods), 60)
        yield superlink


def job_release(superlink: RealSuperLink, run_config: str, **values: Any) -> Release:  # noqa: ANN401
    """Return the app chart's release of the echo app, inline."""
    files = {
        str(file.relative_to(ECHO)): file.read_text() for file in ECHO.rglob("*.*") if file.suffix != ".pyc"
    }
    base = {
        "superlink": {"address": superlink.address},
        "tls": {"existingSecret": "user"},
        "user": {"existingSecret": "user"},
        "app": {"inline": files},
        "runConfig": run_config,
    }
    return render("app", base | values)


def user_secret(superlink: RealSuperLink) -> dict[str, bytes]:
    """Return a user's Secret."""
    user = superlink.authority.issue_client("analyst", "submitter", 1)
    files = {"tls.crt": user.certificate, "tls.key": user.private_key}
    return {"ca.crt": superlink.authority.certificate, **files}


def job_pod(superlink: RealSuperLink, release: Release, root: Path) -> LocalPod:
    """Return the Job's pod with its app fetched."""
    secret = user_secret(superlink)
    (pod,) = [pod for pod in release.pods() if pod.owner.startswith("Job/")]
    local = LocalPod(release, pod, root, {"user": secret})
    local.run_init_containers()
    move_connection(local, "submit")
    return local


def move_connection(pod: LocalPod, container: str) -> None:
    """Let the paths in connection.toml lead below the pod's own folder."""
    file = pod.inside(container, "/run/flowerbed/connection.toml")
    text = file.read_text()
    for folder in ("/ca/", "/user/"):
        text = text.replace(f'"{folder}', f'"{pod.inside(container, folder)}/')
    file.write_text(text)


def outcome(pod: LocalPod) -> dict[str, Any]:
    """Return what the pod's status would carry."""
    return dict(json.loads((pod.root / "termination-log").read_text()))


def test_a_run_completes_on_nodes_of_both_kinds_and_every_value_arrives(
    federation: RealSuperLink, tmp_path: Path
) -> None:
    """The Job ends with 0; node config, run config and environment arrive with types and letters.

    The record is in the volume that was named, and from outside it is made of what the SuperLink has.
    """
    volume = {"volume": {"claim": "records", "path": "runs"}}
    release = job_release(federation, "nodes = 2\nrate = 1.0\n", record=volume)
    with job_pod(federation, release, tmp_path / "pod") as pod:
        assert pod.run("submit", 180) == 0, pod.log("submit")
        said = outcome(pod)
        assert (said["status"], said["exit_code"]) == ("completed", 0)
        found = re.search(r"ANSWERS (\{.*\})", pod.log("submit"))
        assert found, pod.log("submit")
        assert "file rate.txt (1 part)" in pod.log("submit")
        check_record(federation, pod.inside("submit", "/record/runs"), said["run_id"], tmp_path)
    answers = json.loads(found[1])
    assert (answers["rate"], answers["kind"]) == (1.0, "float")
    assert len(answers["nodes"]) == 2
    expected = {"partition-id": 0, "num-partitions": 1} | NODE_CONFIG
    for node in answers["nodes"]:
        assert node["config"] == {key: [type(value).__name__, value] for key, value in expected.items()}
        assert node["hostile"] == HOSTILE


def check_record(federation: RealSuperLink, kept: Path, run_id: str, root: Path) -> None:
    """Compare what the Job wrote into its volume with the record that is made outside, without it."""
    inside = kept / run_id
    assert {path.stat().st_mode & 0o077 for path in inside.rglob("*")} == {0}
    assert (inside / "artifacts" / "rate.txt").read_text() == "1.0"
    assert json.loads((inside / "outcome.json").read_text())["status"] == "completed"
    assert json.loads((inside / "submission.json").read_text())["overrides"] == {"nodes": 2, "rate": 1.0}
    with federation.client() as client:
        outside = capture(client.connection, run_id, root / "outside")
        volume = capture(client.connection, run_id, kept)
    assert (root / "outside" / run_id / "artifacts" / "rate.txt").read_text() == "1.0"
    # The source only the submitter knew; what was set of the run config the SuperLink knows as well.
    assert (outside.source, outside.overrides) == (None, {"nodes": 2, "rate": 1.0})
    assert volume.source is not None
    assert volume.source.kind == "folder"
    assert volume.overrides == {"nodes": 2, "rate": 1.0}


def test_a_failed_run_fails_the_job(federation: RealSuperLink, tmp_path: Path) -> None:
    """A ServerApp that raises makes the Job's pod end with 1 and its reason."""
    release = job_release(federation, 'deed = "fail"\n')
    with job_pod(federation, release, tmp_path) as pod:
        assert pod.run("submit", 120) == 1
        assert "told to fail" in outcome(pod)["reason"]


@pytest.mark.parametrize(("on_interrupt", "status"), [("stop", "stopped"), ("leave", "running")])
def test_deleting_the_job_does_what_was_said(
    federation: RealSuperLink, tmp_path: Path, on_interrupt: str, status: str
) -> None:
    """SIGTERM, as a deleted Job gets it, stops the run or leaves it going."""
    release = job_release(federation, 'deed = "sleep"\n', onInterrupt=on_interrupt)
    with job_pod(federation, release, tmp_path) as pod:
        pod.start("submit")
        wait_for("a running run", lambda: "is running" in pod.log("submit"), 60)
        assert pod.kill("submit", signal.SIGTERM) == 130
        run_id = int(outcome(pod)["run_id"])
    with federation.client() as client:
        (run,) = runs(client, run_id)
        assert status in {run.status.status, run.status.sub_status}
        if on_interrupt == "leave":
            from flowerbed.flower.runs import stop

            assert stop(client, run_id)


def test_helm_test_pod_calls_as_the_user(federation: RealSuperLink, tmp_path: Path) -> None:
    """The test pod lists runs with the user's certificate."""
    release = job_release(federation, "")
    (pod,) = [pod for pod in release.pods() if pod.owner.startswith("Pod/")]
    secret = user_secret(federation)
    with LocalPod(release, pod, tmp_path, {"user": secret}) as local:
        move_connection(local, "call")
        assert local.run("call") == 0, local.log("call")
        assert "takes this user" in local.log("call")
