"""The cluster built here, with the faults that it can have."""

from __future__ import annotations

import json
import os
import signal as signals
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from . import leftovers, network
from .cache import HERE, HarnessError, try_lock
from .cluster import Cluster, commands
from .shell import run

Rule = tuple[str, ...]


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
        rules: list[Rule] = [("FORWARD", "-s", a, "-d", b, "-j", "DROP") for a, b in pairs]
        self._iptables("-I", rules)
        try:
            yield
        finally:
            self._iptables("-D", rules)

    def _iptables(self, action: str, rules: list[Rule]) -> None:
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

    def trust(self, registry: str, certificate: Path) -> None:
        """Let every node pull from a registry with a certificate of its own; it is read at each pull."""
        for index in range(1, len(self.nodes) + 1):
            folder = self.folder / f"node{index}/registries/{registry}"
            folder.mkdir(parents=True)
            address = f"https://{registry}"
            (folder / "hosts.toml").write_text(
                f'server = "{address}"\n[host."{address}"]\n  ca = "{certificate}"\n'
            )

    @contextmanager
    def secluded(self, *allowed: str) -> Iterator[Callable[[], int]]:
        """Drop what pods begin to say, but to these addresses; DNS pods stay free.

        Yields a function that returns how many packets were dropped until then.
        """
        found = self.get("pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")["items"]
        free = [("-s", pod["status"]["podIP"]) for pod in found] + [("-d", one) for one in allowed]
        new = ("-m", "conntrack", "--ctstate", "NEW", "-m", "comment", "--comment", "secluded")
        # Each is put before the one above it here.
        rules: list[Rule] = [("FORWARD", "-s", network.PODS, *new, "-j", "DROP")]
        rules += [("FORWARD", *one, "-j", "RETURN") for one in free]
        self._iptables("-I", rules)
        try:
            yield self._dropped
        finally:
            self._iptables("-D", rules)

    def _dropped(self) -> int:
        spaces = [network.namespace(self.name, index + 1) for index in range(len(self.nodes))]
        listed = "".join(
            run("nsenter", f"--net=/run/netns/{space}", "iptables", "-w", "-t", "mangle", "-nvxL", "FORWARD")
            for space in spaces
        )
        return sum(int(line.split()[0]) for line in listed.splitlines() if "/* secluded */" in line)

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
            assert self.process.stdout
            self.process.stdin.close()
            self.process.wait(60)
            self.process.stdout.close()
            return
        stop(self.name)


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
    state: dict[str, Any] = json.loads(
        line or '{"error": "the supervisor ended before the cluster was ready"}'
    )
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
    """End a cluster from outside, or remove what a killed one left; return when all of it is gone."""
    file = leftovers.folder(name) / "state.json"
    told, limit = False, time.monotonic() + 60
    while (lock := try_lock(leftovers.lock_file(name))) is None:
        if not told and not file.is_file():
            raise HarnessError(f"cluster {name} still starts; wait until it is ready")
        if not told:
            with suppress(ProcessLookupError):
                os.kill(json.loads(file.read_text())["supervisor"], signals.SIGTERM)
            told = True
        if time.monotonic() > limit:
            raise HarnessError(f"cluster {name} does not end; its supervisor is named in {file}")
        time.sleep(0.1)
    leftovers.remove(name)
    os.close(lock)
    leftovers.lock_file(name).unlink(missing_ok=True)
