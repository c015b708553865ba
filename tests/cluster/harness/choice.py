"""Which cluster the tests get."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .built import start
from .cache import HarnessError, root
from .cluster import Cluster, commands
from .shell import run

CONTEXT = "FLOWERBED_TEST_CONTEXT"
# What a cluster built here needs of the machine: the command, and its Debian package.
PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "mmdebstrap": "mmdebstrap",
    "iptables-restore": "iptables",
    "ip": "iproute2",
    "nsenter": "util-linux",
}


class GivenCluster(Cluster):
    """A cluster that somebody else made; `end` removes nothing but our copy of its kubeconfig."""

    def end(self) -> None:
        """Forget the cluster."""
        shutil.rmtree(self.kubeconfig.parent, ignore_errors=True)


class KindCluster(GivenCluster):
    """A cluster of kind, made for this session."""

    def end(self) -> None:
        """Delete the cluster."""
        run("kind", "delete", "cluster", "--name", self.name)
        super().end()


def choose(name: str, nodes: int = 1) -> Cluster:
    """Return a cluster by the order of this package; raise HarnessError with what each way lacks."""
    if context := os.environ.get(CONTEXT):
        return given(context, name)
    if _docker() and shutil.which("kind"):
        return _kind(name)
    if lacks := missing():
        raise HarnessError(
            f"{CONTEXT} is not set; Docker and kind are not here; and to build a cluster: {lacks}"
        )
    return start(name, nodes=nodes)


def missing() -> str:
    """Return what this machine lacks to build a cluster, in words; empty if nothing."""
    if sys.platform != "linux":
        return f"this is {sys.platform}, not Linux"
    if os.geteuid() != 0:
        return "it needs root, for network namespaces, mounts and cgroups"
    packages = [package for command, package in PACKAGES.items() if not shutil.which(command)]
    if not any(Path(folder, "ptp").exists() for folder in ("/usr/lib/cni", "/opt/cni/bin")):
        packages.append("containernetworking-plugins")
    if packages:
        return f"apt-get install {' '.join(sorted(packages))}"
    return "" if shutil.which("go") else "Go 1.26 or newer is missing"


def _docker() -> bool:
    return (
        bool(shutil.which("docker"))
        and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    )


def given(context: str, name: str, kind: type[GivenCluster] = GivenCluster) -> GivenCluster:
    """Return the cluster of a context of the user's kubeconfig."""
    folder = root() / "run" / f"given-{name}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    programs = commands(folder)
    kubectl = str(programs / "kubectl")
    kubeconfig = folder / "kubeconfig"
    kubeconfig.touch(0o600)
    kubeconfig.write_text(run(kubectl, "config", "view", "--minify", "--flatten", "--context", context))
    found = json.loads(run(kubectl, "--kubeconfig", kubeconfig, "get", "nodes", "-o", "json"))["items"]
    address = next(one["address"] for one in found[0]["status"]["addresses"] if one["type"] == "InternalIP")
    return kind(name, kubeconfig, address, programs)


def _kind(name: str) -> KindCluster:
    run("kind", "create", "cluster", "--name", name, "--wait", "120s")
    return given(f"kind-{name}", name, KindCluster)  # type: ignore[return-value]
