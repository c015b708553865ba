"""The programs of a cluster, built from pinned Go modules: one key, one folder of the cache for each."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .cache import COMPONENTS, HarnessError, built, digest

POLICIES = "sigs.k8s.io/kube-network-policies/cmd/kube-network-policies/standard"
# The pause container of every pod: it reaps nothing and waits to be ended.
PAUSE = """\
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	<-ended
}
"""


@dataclass(frozen=True, slots=True)
class Programs:
    """Paths of the programs. `node` is all of Kubernetes, etcd and kubectl, by its first argument."""

    node: Path
    coredns: Path
    policies: Path


def _environment() -> dict[str, str]:
    # Two compilers at a time keep a small machine usable.
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-p=2 -trimpath -mod=readonly",
        "GOTOOLCHAIN": "local",
    }


def go(folder: Path, output: Path, flags: str, package: str) -> None:
    """Build `package` of the module in `folder`; raise HarnessError with Go's words."""
    command = ["go", "build", "-ldflags", f"-s -w {flags}", "-o", str(output), package]
    done = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise HarnessError(f"cannot build {package} in {folder}:\n{done.stderr[-2000:]}")


def kubernetes_version() -> str:
    """Return the pinned release of Kubernetes, such as 1.37.2."""
    found = re.search(r"k8s\.io/kubernetes v(\S+)", (COMPONENTS / "node/go.mod").read_text())
    assert found, "node/go.mod pins k8s.io/kubernetes"
    return found[1]


def _program(name: str, what: str, flags: str = "", package: str = ".") -> Path:
    source = COMPONENTS / name
    key = digest(*sorted(path for path in source.iterdir() if path.is_file()), flags, package)
    return built(name, key, what, lambda part: go(source, part / name, flags, package)) / name


def programs() -> Programs:
    """Return all programs; what the cache lacks is built, Kubernetes in 10 minutes on two cores."""
    if not shutil.which("go"):
        raise HarnessError("Go, which builds Kubernetes, is missing: install Go 1.26 or newer")
    version = kubernetes_version()
    major, minor, _ = version.split(".")
    base = "-X k8s.io/component-base/version"
    flags = f"{base}.gitVersion=v{version} {base}.gitMajor={major} {base}.gitMinor={minor}"
    return Programs(
        node=_program("node", f"Kubernetes {version} and etcd", flags),
        coredns=_program("coredns", "CoreDNS"),
        policies=_program("policies", "kube-network-policies", package=POLICIES),
    )


def cert_manager() -> tuple[Path, list[Path]]:
    """Return cert-manager's controllers, a program that takes a kubeconfig, and its kinds' definitions."""
    program = _program("certmanager", "cert-manager")
    module = "github.com/cert-manager/cert-manager"
    folder = COMPONENTS / "certmanager"
    command = ["go", "mod", "download", "-json", module]
    done = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise HarnessError(f"cannot find {module}:\n{done.stdout}{done.stderr}")
    return program, sorted(Path(json.loads(done.stdout)["Dir"]).glob("deploy/crds/*.yaml"))


def pause(output: Path) -> None:
    """Build the program of the pause image at `output`."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "main.go").write_text(PAUSE)
        Path(folder, "go.mod").write_text("module flowerbed.test/pause\n\ngo 1.26.0\n")
        go(Path(folder), output, "", ".")
