"""Pods of Flower alone: a SuperLink and a SuperNode with TLS on loopback, as Flower itself starts them."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

from followed_runs import wait_until
from harness.built import BuiltCluster
from machines import kill_program

IMAGE = "flwr/superlink:1.41.0"
CLOSED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
MOUNTS = [{"name": name, "mountPath": f"/{name}"} for name in ("files", "tls", "tmp")]
MAKE_KEY = """\
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
key = ec.generate_private_key(ec.SECP384R1())
private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
for name, content in (("node", private), ("node.pub", public)):
    with open(f"/tls/{name}", "wb") as file:
        file.write(content)
"""
REGISTER = """\
mkdir -p $FLWR_HOME
cat > $FLWR_HOME/config.toml <<END
[superlink.here]
address = "127.0.0.1:8000"
root-certificates = "/tls/ca.crt"
END
flwr supernode register /tls/node.pub here
"""
# What a SuperNode says as soon as it is online (flwr 1.41: supernode/start_client_internal.py).
ONLINE = re.compile(r"SuperNode ID: ")
QUIET = ("FLWR_TELEMETRY_ENABLED=0", "FLWR_DISABLE_UPDATE_CHECK=1", "FLWR_HOME=/tmp/flwr", "HOME=/tmp")


def container(name: str, *command: str) -> dict[str, Any]:
    """Return a container that passes `restricted`."""
    pairs = (text.split("=") for text in QUIET)
    return {
        "name": name,
        "image": IMAGE,
        "command": list(command),
        "env": [{"name": key, "value": value} for key, value in pairs],
        "securityContext": CLOSED,
        "volumeMounts": MOUNTS,
    }


def pod(name: str, namespace: str, files: str) -> dict[str, Any]:
    """Return the pod; `files` is a SuperLink release's ConfigMap, whose program makes the certificate."""
    tls = ("--ssl-certfile=/tls/tls.crt", "--ssl-keyfile=/tls/tls.key", "--ssl-ca-certfile=/tls/ca.crt")
    safe = {"runAsNonRoot": True, "runAsUser": 49999, "fsGroup": 49999}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {**safe, "seccompProfile": {"type": "RuntimeDefault"}},
            "initContainers": [container("certificate", "python", "/files/loopback.py", "/tls")],
            "containers": [
                container(
                    *("superlink", "flower-superlink", "--isolation=process", "--database=/tmp/state.db"),
                    *("--disable-runtime-dependency-installation", *tls),
                ),
                container(
                    *("supernode", "flower-supernode", "--superlink=127.0.0.1:8000"),
                    *("--root-certificates=/tls/ca.crt", "--node-config=partition-id=0"),
                ),
            ],
            "volumes": [
                {"name": "files", "configMap": {"name": files}},
                {"name": "tls", "emptyDir": {"medium": "Memory"}},
                {"name": "tmp", "emptyDir": {}},
            ],
        },
    }


def keyed_pod(name: str, namespace: str, files: str) -> dict[str, Any]:
    """Return the pod with a node that has a key; when it ends it is started again at once, as by systemd."""
    made = pod(name, namespace, files)
    superlink, supernode = made["spec"]["containers"]
    superlink["command"].append("--enable-supernode-auth")
    again = " ".join([*supernode["command"], "--auth-supernode-private-key=/tls/node"])
    supernode["command"] = ["sh", "-c", f"while true; do {again}; sleep 1; done"]
    made["spec"]["initContainers"].append(container("key", "python", "-c", MAKE_KEY))
    return made


class KilledSuperNode:
    """A bare SuperNode that is killed while other things happen, and how long it was away, in seconds."""

    def __init__(self, cluster: BuiltCluster, namespace: str, files: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._away = 0.0
        cluster.apply(keyed_pod("bare", namespace, files))
        wait_until("a bare SuperLink", self._registered, 120)
        wait_until("a bare SuperNode", self._times_online, 120)
        self._watch: threading.Thread | None = None

    def kill(self) -> None:
        """Kill it, not the loop that starts it again, and watch from then on."""
        before = self._times_online()
        assert kill_program(self._cluster, self._namespace, "bare", "supernode", "bin/flower-supernode")
        self._watch = threading.Thread(target=self._wait, args=(before, time.monotonic()), daemon=True)
        self._watch.start()

    def away(self) -> float:
        """Return how long it was away, once it is online again."""
        assert self._watch, "it was not killed"
        self._watch.join(200)
        assert self._away, "the bare SuperNode is not back"
        return self._away

    def _wait(self, before: int, killed: float) -> None:
        wait_until("the bare SuperNode online", lambda: self._times_online() > before, 190)
        self._away = time.monotonic() - killed

    def _registered(self) -> bool:
        command = ("exec", "bare", "-n", self._namespace, "-c", "superlink", "--", "sh", "-ec", REGISTER)
        return "registered successfully" in self._cluster.kubectl(*command, check=False)

    def _times_online(self) -> int:
        return len(ONLINE.findall(self._cluster.log(self._namespace, "bare", "supernode")))
