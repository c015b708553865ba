"""The cluster that tests hold, whichever kind it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .cache import HERE, HarnessError, say
from .shell import run

REPOSITORY = HERE.parents[2]
RESTRICTED = ("enforce", "audit", "warn")


class Cluster:
    """A cluster by its kubeconfig. `environment` is what every program that a user runs needs to reach it.

    `address` is an address of a node that the host and other clusters reach: NodePorts are there.
    """

    built = False

    def __init__(self, name: str, kubeconfig: Path, address: str, programs: Path) -> None:
        self.name = name
        self.kubeconfig = kubeconfig
        self.address = address
        self.programs = programs

    def end(self) -> None:
        """End what was begun for the tests; a cluster of somebody else's stays as it is."""

    @property
    def environment(self) -> dict[str, str]:
        """Return variables for a process: this cluster, and a PATH with kubectl, helm and helm3."""
        path = f"{self.programs}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": path}

    def run(
        self, *command: str | Path, stdin: str | None = None, check: bool = True, timeout: float = 300
    ) -> str:
        """Run a program against this cluster, and return its output; raise HarnessError with its words."""
        words = [str(part) for part in command]
        # The child's PATH decides which kubectl this is.
        words[0] = shutil.which(words[0], path=self.environment["PATH"]) or words[0]
        done = subprocess.run(
            words,
            input=stdin,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise HarnessError(
                f"`{' '.join(words)[:400]}` failed ({done.returncode}):\n"
                f"{(done.stderr or done.stdout)[-3000:]}"
            )
        return done.stdout

    def kubectl(
        self, *arguments: str | Path, stdin: str | None = None, check: bool = True, timeout: float = 300
    ) -> str:
        """Run kubectl."""
        return self.run("kubectl", *arguments, stdin=stdin, check=check, timeout=timeout)

    def helm(self, *arguments: str | Path, check: bool = True) -> str:
        """Run Helm 4."""
        return self.run("helm", *arguments, check=check)

    def get(self, *arguments: str) -> Any:  # noqa: ANN401
        """Return what `kubectl get ARGUMENTS -o json` says."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Apply objects."""
        self.kubectl(
            "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        )

    def log(self, namespace: str, pod: str, container: str, *options: str) -> str:
        """Return a container's log, "" while there is none yet: kubectl takes that for an error."""
        return self.kubectl("logs", pod, "-n", namespace, "-c", container, *options, check=False)

    def wait(self, what: str, done: Any, timeout: float = 120) -> Any:  # noqa: ANN401
        """Ask `done()` until it returns something true, and return that; tell if it takes long."""
        start, told = time.monotonic(), 5.0
        while not (found := done()):
            passed = time.monotonic() - start
            if passed > timeout:
                raise HarnessError(f"{what}: not after {timeout:.0f} s")
            if passed > told:
                say(f"waiting for {what}: {passed:.0f} s")
                told *= 2
            time.sleep(0.2)
        return found

    @contextmanager
    def namespaces(self, *names: str, level: str = "restricted") -> Iterator[None]:
        """Make namespaces under a level of Pod Security; remove them, and what is in them, afterwards."""
        labels = {f"pod-security.kubernetes.io/{mode}": level for mode in RESTRICTED}
        items = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
            for name in names
        ]
        with self.removed(*names):
            self.apply(*items)
            yield

    @contextmanager
    def removed(self, *names: str) -> Iterator[None]:
        """Remove namespaces, and what is in them, afterwards; whoever is inside makes them.

        Nobody waits for that but who wants namespaces of these names next.
        """
        self._until_gone(names)
        try:
            yield
        finally:
            self.kubectl("delete", "namespace", *names, "--ignore-not-found", "--wait=false", check=False)

    def _until_gone(self, names: Sequence[str]) -> None:
        """Wait until namespaces that are being removed are gone."""

        def gone() -> bool:
            found = self.get("namespaces")["items"]
            return not any(
                one["metadata"]["name"] in names and one["status"]["phase"] == "Terminating" for one in found
            )

        self.wait(f"the end of {', '.join(names)}", gone, 120)

    def dump(self, folder: Path) -> Path:
        """Write events, pods and the logs of all containers to `folder`; return it."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, arguments in {
            "objects": ("get", "all,pvc,pv,configmaps,networkpolicies", "-A", "-o", "wide"),
            "events": ("get", "events", "-A", "--sort-by=.lastTimestamp"),
            "pods": ("describe", "pods", "-A"),
        }.items():
            (folder / f"{name}.txt").write_text(self.kubectl(*arguments, check=False))
        with suppress(HarnessError):
            for pod in self.get("pods", "-A")["items"]:
                meta = pod["metadata"]
                text = self.kubectl(
                    *(
                        "logs",
                        "-n",
                        meta["namespace"],
                        meta["name"],
                        "--all-containers",
                        "--prefix",
                        "--tail=200",
                    ),
                    check=False,
                )
                (folder / f"{meta['namespace']}.{meta['name']}.log").write_text(text)
        return folder


def commands(folder: Path) -> Path:
    """Return a folder with kubectl, helm and helm3, made in the cluster's folder."""
    made = folder / "bin"
    if made.is_dir():
        return made
    from .components import programs

    node = programs().node
    tools = Path(run(REPOSITORY / "tools/build").strip())
    part = folder / f"bin.{os.getpid()}"
    part.mkdir(parents=True)
    for name in ("helm", "helm3", "helm-unittest", "kubeconform"):
        (part / name).symlink_to(tools / name)
    kubectl = part / "kubectl"
    kubectl.write_text(f'#!/bin/sh\nexec {node} kubectl "$@"\n')
    kubectl.chmod(0o755)
    part.rename(made)
    return made
