"""The cluster that the other tests stand on: open and closed as it says, and gone without a trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import built, leftovers
from harness.cache import HarnessError
from harness.cgroups import processes
from harness.choice import missing
from harness.cluster import Cluster

SPACE, OTHER = "harness", "harness-other"
CLOSED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
RESTRICTED = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=2).status)"


def pod(
    name: str,
    space: str,
    *command: str,
    labels: dict[str, str] | None = None,
    **more: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Return a pod that passes `restricted`, of the SuperLink's image."""
    container: dict[str, Any] = {
        "name": "main",
        "image": "flwr/superlink:1.41.0",
        "command": list(command),
        "securityContext": CLOSED,
    }
    container |= more.pop("container", {})
    spec = {
        "containers": [container],
        "securityContext": RESTRICTED,
        "terminationGracePeriodSeconds": 0,
        **more,
    }
    meta = {"name": name, "namespace": space, "labels": labels or {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def ready(cluster: Cluster, space: str, *names: str) -> None:
    cluster.kubectl(
        "wait", "-n", space, "--for=condition=Ready", "--timeout=60s", *(f"pod/{name}" for name in names)
    )


@pytest.fixture(scope="module")
def web(cluster: Cluster) -> Iterator[Cluster]:
    """Serve HTTP behind a LoadBalancer, and have clients in two namespaces."""
    port = {"port": 8000}
    meta = {"name": "web", "namespace": SPACE}
    service = {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [port]}
    with cluster.namespaces(SPACE, OTHER):
        cluster.apply(
            pod("web", SPACE, "python", "-m", "http.server", "8000", "--directory", "/tmp"),
            pod("friend", SPACE, "sleep", "3600"),
            pod("stranger", OTHER, "sleep", "3600"),
            {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service},
        )
        ready(cluster, SPACE, "web", "friend")
        ready(cluster, OTHER, "stranger")
        yield cluster


def asks(
    cluster: Cluster, space: str, name: str, url: str = f"http://web.{SPACE}.svc.cluster.local:8000"
) -> bool:
    """Tell whether a pod gets an answer from the web server, found by its name in DNS."""
    return (
        cluster.kubectl("exec", "-n", space, name, "--", "python", "-c", ASK, url, check=False).strip()
        == "200"
    )


def test_pods_find_services_by_name(web: Cluster) -> None:
    """DNS, Services and the network between pods work, on one node and across."""
    web.wait("an answer to the own namespace", lambda: asks(web, SPACE, "friend"), 30)
    web.wait("an answer to another namespace", lambda: asks(web, OTHER, "stranger"), 30)


def test_policies_are_enforced(web: Cluster) -> None:
    """A policy that lets the own namespace in keeps the other out; without it, both come in."""
    rule = {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{"from": [{"podSelector": {}}]}]}
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "own", "namespace": SPACE},
    }
    web.apply({**policy, "spec": rule})
    web.wait("the policy to be enforced", lambda: not asks(web, OTHER, "stranger"), 30)
    web.wait("the own namespace to be let in", lambda: asks(web, SPACE, "friend"), 30)
    web.kubectl("delete", "networkpolicy", "own", "-n", SPACE)
    web.wait("the policy to be gone", lambda: asks(web, OTHER, "stranger"), 30)


def test_pod_security_is_enforced(web: Cluster) -> None:
    """A pod that may gain rights is refused; those of the fixture, which may not, are taken."""
    open_pod = pod("open", SPACE, "true", container={"securityContext": {}})
    with pytest.raises(HarnessError, match="violates PodSecurity"):
        web.apply(open_pod)


def test_the_host_reaches_a_load_balancer(web: Cluster) -> None:
    """The Service gets an address, at which this machine gets an answer."""
    if not web.built:
        pytest.skip("only a built cluster promises addresses for LoadBalancers")

    def ingress() -> list[dict[str, str]]:
        return web.get("service", "web", "-n", SPACE)["status"]["loadBalancer"].get("ingress")

    address = web.wait("an address", ingress, 30)[0]["ip"]
    with urllib.request.urlopen(f"http://{address}:8000", timeout=5) as answer:
        assert answer.status == 200


def test_volumes_come_and_can_be_full(web: Cluster) -> None:
    """A claim of `limited` holds what it says and no more, until it is given more."""
    if not web.built:
        pytest.skip("the class `limited` is of built clusters alone")
    meta = {"name": "small", "namespace": SPACE}
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "limited",
        "resources": {"requests": {"storage": "4Mi"}},
    }
    web.apply(
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec},
        pod(
            *("writer", SPACE, "sleep", "3600"),
            container={"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
            volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "small"}}],
        ),
    )
    ready(web, SPACE, "writer")
    write = ("exec", "-n", SPACE, "writer", "--", "dd", "if=/dev/zero", "of=/data/file", "bs=1M", "count=6")
    with pytest.raises(HarnessError, match="No space left on device"):
        web.kubectl(*write)
    web.resize(SPACE, "small", "16m")  # type: ignore[attr-defined]
    web.kubectl(*write)


OWNER = """\
import json, os, sys
sys.path.insert(0, sys.argv[1])
from harness.built import start
print(json.dumps(start(sys.argv[2]).state), flush=True)
sys.stdin.read()
"""


def traces(name: str, folder: str) -> list[str]:
    """Return what is left of a cluster: processes, mounts, namespaces, files."""
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if f"/{name}/" in line]
    spaces = [
        entry.name for entry in Path("/run/netns").iterdir() if entry.name.startswith(f"flowerbed-{name}-")
    ]
    files = [folder] if Path(folder).exists() else []
    return [*map(str, processes(name)), *mounts, *spaces, *files]


@pytest.mark.parametrize("victim", ["owner", "supervisor too"])
def test_nothing_stays_after_a_kill(victim: str) -> None:
    """A cluster goes when its owner is killed; if its supervisor was too, the next one removes it."""
    if lacks := missing():
        pytest.skip(f"cannot build a cluster: {lacks}")
    name = f"kill-{os.getpid()}"
    here = str(Path(__file__).parent)
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, here, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout
    assert owner.stdin
    try:
        state = json.loads(owner.stdout.readline())
        assert traces(name, state["folder"])
        if victim != "owner":
            os.kill(state["supervisor"], signal.SIGKILL)
    finally:
        owner.kill()
        owner.wait(10)
        owner.stdin.close()
        owner.stdout.close()
    if victim != "owner":
        built.stop(name)
    gone = Cluster(name, Path(state["kubeconfig"]), "", Path())
    gone.wait("the cluster to be gone", lambda: not traces(name, state["folder"]), 30)
    gone.wait("the supervisor to be gone", lambda: not leftovers.lock_file(name).exists(), 30)


def test_a_cluster_to_play_with() -> None:
    """`make cluster` prints what leads to it and holds nobody up; `make cluster-down` leaves nothing."""
    if lacks := missing():
        pytest.skip(f"cannot build a cluster: {lacks}")
    name = f"play-{os.getpid()}"
    try:
        # Whoever reads all that is printed gets to its end while the cluster runs on.
        lines = make("cluster", name).splitlines()
        assert [line.partition("=")[0] for line in lines] == ["export KUBECONFIG", "export PATH"]
        script = "\n".join([*lines, "kubectl get nodes --output name"])
        told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, timeout=30)
        assert told.stdout.split() == [f"node/{name}-1"]
        folder = leftovers.folder(name)
    finally:
        make("cluster-down", name)
    assert not traces(name, str(folder))


def make(target: str, name: str) -> str:
    """Run a target of the Makefile about a cluster; return what it prints."""
    command = ["make", "--no-print-directory", target, f"NAME={name}"]
    root = Path(__file__).parents[2]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=150).stdout
