"""The process that runs one built cluster: it ends it when told to, or when the owner is gone.

    python -m harness.supervisor NAME [--number N] [--nodes N] [--detached]

Not detached, its standard input is its owner's hand: once that closes, however the owner died, the cluster
ends. It reads one JSON object a line there, {"do": "stop", "start", "pause" or "resume", "daemon": NAME}, and
answers each with {"ok": true} or {"error": "…"}. Its first line of output is the state, or {"error": "…"}.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import cgroups, control_plane, leftovers, network
from .api import Api
from .cache import HarnessError, locked, say, try_lock
from .components import Programs, programs
from .daemons import Daemons
from .images import containerd_root
from .node import Node
from .pki import Authority
from .provisioner import Provisioner
from .shell import run

STARTING_SECONDS = 120
SIGNALS = {"pause": signal.SIGSTOP, "resume": signal.SIGCONT}


class Ended(Exception):  # noqa: N818
    """The cluster is to end."""


class Supervisor:
    """One cluster, from its first process to its last file."""

    def __init__(self, name: str, number: int, nodes: int) -> None:
        self.name, self.number = name, number
        self.folder = leftovers.folder(name)
        self.nodes = [
            Node(name, number, index, self.folder / f"node{index}") for index in range(1, nodes + 1)
        ]
        self.daemons = Daemons(name, self.folder / "logs")
        self.kubeconfig = self.folder / "kubeconfig"
        self.provisioner: Provisioner | None = None

    def start(self, built: Programs, images: Path) -> dict[str, Any]:
        """Start everything; return the state once nodes and DNS are ready."""
        begin = time.monotonic()
        leftovers.remove(self.name)
        self.daemons.logs.mkdir(parents=True)
        first = self.nodes[0]
        server = f"https://{first.address}:6443"
        authority = Authority(self.folder / "pki")
        with ThreadPoolExecutor() as threads:
            linked = [threads.submit(node.link_images, images) for node in self.nodes]
            network.plug(self.name, self.number, len(self.nodes))
            cgroups.make(self.name, "daemons", *(f"node{node.index}" for node in self.nodes))
            control_plane.start(self.daemons, built, authority, self.folder, first.address)
            authority.kubeconfig(self.kubeconfig, server, self.name, "admin", ("system:masters",))
            for node, done in zip(self.nodes, linked, strict=True):
                done.result()
                node.start_containerd(self.daemons)
        api = Api(self.kubeconfig)
        self._wait("API server", api.ready)
        control_plane.start_controllers(self.daemons, built, authority, self.folder, server)
        self._wait("containerd", lambda: all(node.containerd_answers() for node in self.nodes))
        for node in self.nodes:
            node.start(self.daemons, built, authority, server)
        self._fill(api)
        self._wait("nodes", lambda: self._nodes_ready(api))
        self._wait("DNS", lambda: self._deployed(api))
        say(f"cluster {self.name} is ready: {time.monotonic() - begin:.1f} s")
        return self.state(time.monotonic() - begin)

    def state(self, seconds: float) -> dict[str, Any]:
        """Return what the owner needs to know, and keep it in the file `state.json`."""
        state = {
            "name": self.name,
            "number": self.number,
            "supervisor": os.getpid(),
            "seconds": round(seconds, 1),
            "folder": str(self.folder),
            "kubeconfig": str(self.kubeconfig),
            "nodes": {node.name: node.address for node in self.nodes},
        }
        (self.folder / "state.json").write_text(json.dumps(state))
        return state

    def _fill(self, api: Api) -> None:
        text = json.dumps(
            {"apiVersion": "v1", "kind": "List", "items": control_plane.objects(self.folder / "dns")}
        )
        node = str(self.daemons.commands["kube-apiserver"][1][0])
        run(node, "kubectl", "--kubeconfig", self.kubeconfig, "create", "-f", "-", stdin=text)
        space = network.namespace(self.name, 1)
        self.provisioner = Provisioner(api, self.folder / "volumes", self.number, space)
        threading.Thread(target=self.provisioner.run, daemon=True).start()

    def _nodes_ready(self, api: Api) -> bool:
        items = api.ask("/api/v1/nodes")["items"]
        conditions = [one for item in items for one in item["status"].get("conditions", [])]
        ready = [one for one in conditions if one["type"] == "Ready" and one["status"] == "True"]
        return len(ready) == len(self.nodes)

    def _deployed(self, api: Api) -> bool:
        return (
            api.ask("/apis/apps/v1/namespaces/kube-system/deployments/coredns")["status"].get(
                "readyReplicas", 0
            )
            > 0
        )

    def _wait(self, what: str, done: Any) -> None:  # noqa: ANN401
        limit = time.monotonic() + STARTING_SECONDS
        while not done():
            self.daemons.check()
            if time.monotonic() > limit:
                raise HarnessError(
                    f"{what} not ready after {STARTING_SECONDS} s; logs are in {self.daemons.logs}"
                )
            time.sleep(0.1)

    def command(self, request: dict[str, str]) -> None:
        """Do to a daemon what the owner asks for."""
        action, daemon = request["do"], request["daemon"]
        if action in SIGNALS:
            self.daemons.signal(daemon, SIGNALS[action])
        elif action in ("stop", "start"):
            getattr(self.daemons, action)(daemon)
        else:
            raise HarnessError(f"do what? {action}")

    def end(self) -> None:
        """End everything."""
        if self.provisioner:
            self.provisioner.ended.set()
        leftovers.remove(self.name)
        self.daemons.wait_gone()
        leftovers.lock_file(self.name).unlink(missing_ok=True)


def _take(name: str, number: int) -> int:
    """Hold the cluster's name, and its number or the first free one, for as long as this process lives."""
    if try_lock(leftovers.lock_file(name)) is None:
        raise HarnessError(f"a cluster {name} runs already")
    for one in [number] if number else range(1, network.LAST_NUMBER + 1):
        if try_lock(leftovers.number_lock(one)) is not None:
            return one
    raise HarnessError(f"another cluster has number {number}" if number else "all numbers are taken")


def _answer(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _serve(supervisor: Supervisor, detached: bool) -> None:
    """Serve until a signal (Ended) or, if there is an owner, until its end of standard input closes."""
    while detached:
        signal.pause()
    for line in sys.stdin:
        try:
            supervisor.command(json.loads(line))
            _answer({"ok": True})
        except HarnessError as error:
            _answer({"error": str(error)})


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise Ended


def _let_go(folder: Path) -> None:
    """Write to a file from now on: who reads what the caller prints would wait for the cluster's end."""
    with (folder / "logs/supervisor.log").open("a") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())


def _watch_owner() -> None:
    """End also when the owner goes while the cluster still starts."""
    hung_up = select.poll()
    hung_up.register(sys.stdin.fileno(), select.POLLHUP)
    hung_up.poll()
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Run a cluster until it is to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--number", type=int, default=0)
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--detached", action="store_true")
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    if not wanted.detached:
        threading.Thread(target=_watch_owner, daemon=True).start()
    supervisor = None
    try:
        with locked(network.RUN / "stale.lock"):
            leftovers.remove_stale()
        built = programs()
        images = containerd_root(built)
        supervisor = Supervisor(wanted.name, _take(wanted.name, wanted.number), wanted.nodes)
        _answer(supervisor.start(built, images))
        if wanted.detached:
            _let_go(supervisor.folder)
        _serve(supervisor, wanted.detached)
    except Ended:
        pass
    except HarnessError as error:
        _answer({"error": str(error)})
        return 1
    finally:
        if supervisor:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            supervisor.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
