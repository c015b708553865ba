"""The superlink chart's pods as processes: gateway, SuperLink and registrar, and a SuperExec beside them."""

from __future__ import annotations

import contextlib
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flowerbed.flower.client import FlowerClient, messages
from flowerbed.flower.connection import Connection
from flowerbed.identities.authority import CertificateAuthority
from flowerbed.identities.certificates import ClientCertificate
from flowerbed.identities.node_keys import NodeKey
from support.chart_release import Release, render
from support.local_pod import LocalPod, wait_for
from support.needed import require
from support.ports import free_port

NAME = "hospitals-superlink"
USERS = {"vera": "viewer", "sam": "submitter", "olga": "operator"}
# The chart's own ports, by what listens there; each is swapped for a free one: tests share this machine.
PORTS = {
    "fleet": 9092,
    "control": 9093,
    "runtime": 9091,
    "readiness": 8080,
    "metrics": 8404,
    "superlink": 8000,
}


class SuperLinkPods:
    """A release with its Secrets, run on this machine; `values` come on top of three users and one node."""

    def __init__(self, folder: Path, values: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.authority = CertificateAuthority.create("hospitals", 2)
        self.key = NodeKey.generate()
        self.ports = {what: free_port() for what in PORTS}
        base = {"users": USERS, "admission": {"nodes": {"north-0": {"publicKey": self.key.public.decode()}}}}
        self.values = {**base, "tests": {"clientSecret": "viewer"}, **(values or {})}
        self.release: Release = render("superlink", self.values)
        self.secrets = self._secrets()
        for name, content in self.secrets[f"{NAME}-tls"].items():
            (folder / name).write_bytes(content)
        self.pod = self.local("StatefulSet/" + NAME)

    def _secrets(self) -> dict[str, dict[str, bytes]]:
        server, viewer = self.server_certificate(), self.user("vera")
        return {
            f"{NAME}-tls": {
                "tls.crt": server[0],
                "tls.key": server[1],
                "ca.crt": self.authority.certificate,
            },
            f"{NAME}-superexec": {"secret": secrets.token_hex(32).encode()},
            "viewer": {"tls.crt": viewer.certificate, "tls.key": viewer.private_key},
        }

    def server_certificate(self) -> tuple[bytes, bytes]:
        """Return a new certificate of the gateway, and its key."""
        made = self.authority.issue_server(("localhost",), ("127.0.0.1",), 1)
        return made.certificate, made.private_key

    def user(self, name: str) -> ClientCertificate:
        """Return a new certificate of a user."""
        return self.authority.issue_client(name, USERS.get(name, "operator"), 1)

    def local(self, owner: str) -> LocalPod:
        """Return one of the release's pods."""
        (pod,) = [pod for pod in self.release.pods() if pod.owner == owner]
        local = LocalPod(self.release, pod, self.folder / owner.replace("/", "-").lower(), self.secrets)
        for what, port in PORTS.items():
            service = f"{NAME}-{what}.hospitals.svc.cluster.local:{port}"
            local.swaps |= {service: f"localhost:{self.ports[what]}", str(port): str(self.ports[what])}
        return local

    def start(self) -> None:
        """Start everything that the pod holds, and return when it is ready."""
        self.pod.run_init_containers()
        self.pod.processes.clear()  # they have ended
        for container in self.pod.pod.spec["containers"]:
            self.pod.start(container["name"])
        wait_for("readiness", lambda: self.answer("/ready") == 200, 60)

    def answer(self, path: str) -> int:
        """Return the status of a probe by the kubelet, 0 when nobody answers."""
        try:
            url = f"http://127.0.0.1:{self.ports['readiness']}{path}"
            with urllib.request.urlopen(url, timeout=5) as reply:
                return int(reply.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def connection(self, user: str) -> Connection:
        """Return a user's connection, with a certificate of its own."""
        made, home = self.user(user), self.folder / user
        home.mkdir(exist_ok=True)
        (home / "client.crt").write_bytes(made.certificate)
        (home / "client.key").write_bytes(made.private_key)
        return Connection(
            address=f"localhost:{self.ports['control']}",
            root_certificates=self.folder / "ca.crt",
            client_certificate=home / "client.crt",
            client_key=home / "client.key",
        )

    def nodes(self, user: str = "vera") -> dict[str, str]:
        """Return the status of each node by its name, as a user sees it."""
        control = messages()
        with FlowerClient(self.connection(user)) as client:
            reply: Any = client.call(
                "control/list-nodes", control.ListNodesRequest(), control.ListNodesResponse
            )
        return {node.name: node.status for node in reply.nodes_info}

    def update(self, volume: str, name: str, content: bytes) -> None:
        """Change a file of a mounted Secret or ConfigMap, as the kubelet does when the object changed."""
        (self.pod.root / "volumes" / volume / "..data" / name).write_bytes(content)


@contextlib.contextmanager
def running(folder: Path, values: dict[str, Any] | None = None) -> Iterator[SuperLinkPods]:
    """Start a release's SuperLink pod, and end it."""
    require("haproxy")
    pods = SuperLinkPods(folder, values)
    with pods.pod:
        pods.start()
        yield pods
