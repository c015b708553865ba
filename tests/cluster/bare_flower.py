"""A pod of Flower alone: a SuperLink and a SuperNode with TLS on loopback, as Flower itself starts them."""

from __future__ import annotations

from typing import Any

IMAGE = "flwr/superlink:1.41.0"
CLOSED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
MOUNTS = [{"name": name, "mountPath": f"/{name}"} for name in ("files", "tls", "tmp")]
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
