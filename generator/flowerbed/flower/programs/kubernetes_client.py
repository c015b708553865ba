"""What Flower's Kubernetes executor asks of the package `kubernetes`, which Flower's images lack.

The charts mount this file as the modules `kubernetes.client` and `kubernetes.config`; an image that holds
the package itself uses that one. Source of the calls: flwr 1.41 (kubernetes_executor.py below
supercore/superexec), which takes objects as JSON. Standard library alone.
"""

from __future__ import annotations

import json
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

Object = dict[str, Any]
# Where a pod's account is (kubernetes.io: Accessing the Kubernetes API from a Pod).
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SECONDS = 30.0
LIMIT = 64 * 1024 * 1024  # bytes of an answer: thousands of task Pods


class ApiError(Exception):
    """The API refused a call: `status` is the HTTP status, the text what it answered."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"({status}) {text}")
        self.status = status


def load_incluster_config() -> None:
    """Raise OSError if this is not a pod with an account, as the package does at this place."""
    _token()
    _address()


class CoreV1Api:
    """Pods and Secrets. Calls raise ApiError, or ConnectionError or TimeoutError without an answer."""

    def create_namespaced_pod(self, namespace: str, body: Object) -> Object:
        """Make a pod."""
        return _call("POST", _path(namespace, "pods"), body)

    def create_namespaced_secret(self, namespace: str, body: Object) -> Object:
        """Make a Secret."""
        return _call("POST", _path(namespace, "secrets"), body)

    def list_namespaced_pod(self, namespace: str, *, label_selector: str) -> Object:
        """Return the pods with these labels."""
        return _call("GET", _path(namespace, "pods", labelSelector=label_selector))

    def list_namespaced_secret(self, namespace: str, *, label_selector: str) -> Object:
        """Return the Secrets with these labels."""
        return _call("GET", _path(namespace, "secrets", labelSelector=label_selector))

    def delete_namespaced_pod(self, name: str, namespace: str, *, grace_period_seconds: int) -> Object:
        """Delete a pod."""
        return _call("DELETE", _path(namespace, "pods", name, gracePeriodSeconds=str(grace_period_seconds)))

    def delete_namespaced_secret(self, name: str, namespace: str) -> Object:
        """Delete a Secret."""
        return _call("DELETE", _path(namespace, "secrets", name))


def _path(namespace: str, *parts: str, **query: str) -> str:
    place = "/".join(urllib.parse.quote(part, safe="") for part in (namespace, *parts))
    asked = f"?{urllib.parse.urlencode(query)}" if query else ""
    return f"/api/v1/namespaces/{place}{asked}"


def _token() -> str:
    # Read for each call, because Kubernetes renews it.
    return (ACCOUNT / "token").read_text(encoding="ascii").strip()


def _address() -> str:
    try:
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    except KeyError as error:
        raise OSError(f"{error} is not set: this is not a pod") from None
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def _call(method: str, path: str, body: Object | None = None) -> Object:
    request = urllib.request.Request(  # noqa: S310  (the scheme is in _address)
        _address() + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {_token()}", "Content-Type": "application/json"},
    )
    trust = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ACCOUNT / "ca.crt"))
    # No proxy: the API is in the cluster.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trust)
    try:
        with opener.open(request, timeout=SECONDS) as reply:
            text = reply.read(LIMIT + 1)
    except urllib.error.HTTPError as error:
        raise ApiError(error.code, error.read(LIMIT).decode(errors="replace")) from None
    except urllib.error.URLError as error:
        raise ConnectionError(f"the Kubernetes API at {_address()}: {error.reason}") from None
    if len(text) > LIMIT:
        raise ConnectionError(f"the Kubernetes API at {_address()}: more than {LIMIT:,} bytes")
    return dict(json.loads(text))
