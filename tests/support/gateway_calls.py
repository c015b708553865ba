"""HTTP requests to a gateway, as a user or as a node of a local federation."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.local_federation import state


@dataclass(frozen=True)
class Answer:
    """What came back: `passed` tells the SuperLink's own answers from the gateway's."""

    status: int
    body: str
    passed: bool

    @property
    def detail(self) -> str:
        return str(json.loads(self.body)["detail"])


def call(
    address: str,
    path: str,
    tls: ssl.SSLContext | None,
    *,
    method: str = "POST",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Make one HTTP request. Its content type is one that the SuperLink refuses before it does anything."""
    host, _, port = address.rpartition(":")
    connection: http.client.HTTPConnection
    if tls is None:
        connection = http.client.HTTPConnection(host, int(port), timeout=30)
    else:
        connection = http.client.HTTPSConnection(host, int(port), timeout=30, context=tls)
    with contextlib.closing(connection):
        connection.request(method, path, body, {"Content-Type": "text/x-nothing", **(headers or {})})
        answer = connection.getresponse()
        passed = answer.headers.get("server") == "uvicorn"
        return Answer(answer.status, answer.read().decode(errors="replace"), passed)


def as_node(file: Path) -> dict[str, str]:
    """Return the header by which the gateway knows a node of a local federation: its first declared one."""
    keys: dict[str, str] = json.loads((state(file).path / "superlink" / "nodes.json").read_text())
    return {"flwr-public-key": base64.b64encode(next(iter(keys.values())).encode()).decode()}


def trust(authority: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Return a TLS context that trusts one CA and shows a client certificate, if given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    if certificate:
        context.load_cert_chain(certificate, key)
    return context
