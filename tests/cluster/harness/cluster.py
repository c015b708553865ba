"""The cluster that tests hold, whichever kind it is; and the one built here, with its faults."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from . import leftovers, network
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
        self.apply(*items)
        try:
            yield
        finally:
            self.kubectl("delete", "namespace", *names, "--ignore-not-found", "--timeout=120s", check=False)

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


class BuiltCluster(Cluster):
    """A cluster built here, by a supervisor of its own (see `supervisor`)."""

    built = True

    def __init__(self, state: dict[str, Any], process: subprocess.Popen[str] | None = None) -> None:
        self.state = state
        self.process = process
        self.folder = Path(state["folder"])
        self.nodes: dict[str, str] = state["nodes"]
        programs = commands(self.folder)
        super().__init__(state["name"], Path(state["kubeconfig"]), next(iter(self.nodes.values())), programs)

    def _tell(self, action: str, daemon: str) -> None:
        if not self.process or not self.process.stdin or not self.process.stdout:
            raise HarnessError("only the owner of a cluster may do that")
        self.process.stdin.write(json.dumps({"do": action, "daemon": daemon}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "the supervisor is gone"}')
        if "error" in answer:
            raise HarnessError(answer["error"])

    @contextmanager
    def without(self, daemon: str) -> Iterator[None]:
        """Kill a daemon (`kube-apiserver`, `kubelet-1`, `containerd-1`, ...); start it again afterwards."""
        self._tell("stop", daemon)
        try:
            yield
        finally:
            self._tell("start", daemon)

    @contextmanager
    def frozen(self, daemon: str) -> Iterator[None]:
        """Freeze a daemon; let it go on afterwards."""
        self._tell("pause", daemon)
        try:
            yield
        finally:
            self._tell("resume", daemon)

    @contextmanager
    def cut(self, one: str, other: str) -> Iterator[None]:
        """Drop all packets between two addresses or networks, such as pods and another cluster's node."""
        pairs = [(one, other), (other, one)]
        rules = [("FORWARD", "-s", a, "-d", b, "-j", "DROP") for a, b in pairs]
        self._iptables("-I", rules)
        try:
            yield
        finally:
            self._iptables("-D", rules)

    def _iptables(self, action: str, rules: list[tuple[str, ...]]) -> None:
        for index in range(1, len(self.nodes) + 1):
            space = f"--net=/run/netns/{network.namespace(self.name, index)}"
            for rule in rules:
                run("nsenter", space, "iptables", "-w", "-t", "mangle", action, *rule)

    def kill(self, namespace: str, pod: str, container: str, signal: str = "SIGKILL") -> None:
        """Send a signal to the first process of a container, as the kernel would when memory runs out."""
        status = self.get("pod", pod, "-n", namespace)
        node = list(self.nodes).index(status["spec"]["nodeName"]) + 1
        states = status["status"].get("containerStatuses", []) + status["status"].get(
            "initContainerStatuses", []
        )
        found = next(one["containerID"] for one in states if one["name"] == container)
        socket = network.RUN / self.name / str(node) / "c.sock"
        run(
            "ctr",
            "-a",
            socket,
            "-n",
            "k8s.io",
            "task",
            "kill",
            "-s",
            signal,
            found.removeprefix("containerd://"),
        )

    def memory(self, namespace: str, pod: str) -> dict[str, int]:
        """Return the bytes that each container of a pod uses, as its kubelet measures (the working set)."""
        node = self.get("pod", pod, "-n", namespace)["spec"]["nodeName"]
        summary = json.loads(self.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))
        for entry in summary["pods"]:
            if (entry["podRef"]["namespace"], entry["podRef"]["name"]) == (namespace, pod):
                return {one["name"]: one["memory"]["workingSetBytes"] for one in entry["containers"]}
        raise HarnessError(f"no figures yet for {namespace}/{pod}")

    def add_host(self, name: str, address: str) -> None:
        """Let the cluster's DNS know a name outside, within a second."""
        file = self.folder / "dns/hosts"
        file.write_text(file.read_text() + f"{address} {name}\n")

    def volume(self, namespace: str, claim: str) -> Path:
        """Return the folder behind a claim."""
        name = self.get("pvc", claim, "-n", namespace)["spec"]["volumeName"]
        return Path(self.get("pv", name)["spec"]["hostPath"]["path"])

    def resize(self, namespace: str, claim: str, size: str) -> None:
        """Give a claim of the class `limited` another size, such as 64m: what frees a full one."""
        run("mount", "-o", f"remount,size={size}", self.volume(namespace, claim))

    def end(self) -> None:
        """End the cluster and wait until all of it is gone."""
        if self.process:
            assert self.process.stdin
            self.process.stdin.close()
            self.process.wait(60)
            return
        stop(self.name)


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


def _supervise(name: str, number: int, nodes: int, *more: str) -> list[str]:
    return [sys.executable, "-m", "harness.supervisor", name, f"--number={number}", f"--nodes={nodes}", *more]


def start(name: str, number: int = 0, nodes: int = 1) -> BuiltCluster:
    """Start a cluster that lives as long as this process, or until its `end()`; number 0 is a free one."""
    process = subprocess.Popen(
        _supervise(name, number, nodes),
        cwd=HERE.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the owner, which then ends the cluster in order
    )
    assert process.stdout
    return BuiltCluster(_started(process.stdout.readline()), process)


def start_detached(name: str, number: int = 0, nodes: int = 1) -> BuiltCluster:
    """Start a cluster that runs on when this process ends; `stop(name)` ends it."""
    process = subprocess.Popen(
        _supervise(name, number, nodes, "--detached"),
        cwd=HERE.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    try:
        return BuiltCluster(_started(process.stdout.readline()))
    except BaseException:
        process.terminate()
        process.wait(60)
        raise


def _started(line: str) -> dict[str, Any]:
    state = json.loads(line or '{"error": "the supervisor ended before the cluster was ready"}')
    if "error" in state:
        raise HarnessError(state["error"])
    return state


def running(name: str) -> BuiltCluster:
    """Return a detached cluster by name."""
    file = leftovers.folder(name) / "state.json"
    if not file.is_file():
        raise HarnessError(f"no cluster {name} runs: start it with `make cluster NAME={name}`")
    return BuiltCluster(json.loads(file.read_text()))


def stop(name: str) -> None:
    """End a cluster from outside, or remove what a killed one left."""
    import signal

    file = leftovers.folder(name) / "state.json"
    lock = leftovers.try_lock(leftovers.lock_file(name))
    if lock is None:
        if not file.is_file():
            raise HarnessError(f"cluster {name} still starts; wait, or end its supervisor")
        os.kill(json.loads(file.read_text())["supervisor"], signal.SIGTERM)
        limit = time.monotonic() + 60
        while file.exists() or leftovers.lock_file(name).exists():
            if time.monotonic() > limit:
                raise HarnessError(f"cluster {name} does not end; see `ps`, supervisor of {file}")
            time.sleep(0.1)
        return
    leftovers.remove(name)
    os.close(lock)
    leftovers.lock_file(name).unlink(missing_ok=True)
