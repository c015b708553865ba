"""The SuperLink's own view of its nodes, asked as a user of the bundles through the control endpoint."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

from flowerbed import runs
from flowerbed.errors import UsageError
from flowerbed.plan import Plan
from flowerbed.runs import NodeRecord
from flowerbed.scripts.flower_client import FlowerClient
from flowerbed.scripts.flower_connection import Connection

PATIENCE = 10.0
# Every role may list nodes; the least is asked with.
_ROLES = ("viewer", "submitter", "operator")


class ForwardedClient(FlowerClient):
    """A client whose connections go to a loopback port, while TLS asks for the SuperLink's own name."""

    def __init__(self, connection: Connection, port: int, timeout: float = PATIENCE) -> None:
        super().__init__(connection, timeout)
        self._port = port

    def _open(self) -> http.client.HTTPConnection:
        at, tls = self._renewed.now()
        opened = http.client.HTTPConnection(at.host, at.port, timeout=self.timeout)
        with self._failures():
            stream = socket.create_connection(("127.0.0.1", self._port), timeout=self.timeout)
            # A connection that has its socket already is not opened again.
            opened.sock = tls.wrap_socket(stream, server_hostname=at.host) if tls else stream
        return opened


def connection_of(plan: Plan, bundles: Path) -> Connection:
    """Return the connection of the user with the least rights whose key is in the bundles.

    Raises UsageError if there is none.
    """
    for role in _ROLES:
        for user in plan.users:
            folder = bundles / "users" / user.name
            if user.role == role and (plan.insecure or (folder / "client.key").exists()):
                return runs.load_connection(folder / "connection.toml")
    if plan.insecure:
        return Connection(address=plan.superlink.control.address, insecure=True)
    raise UsageError(
        "no user's certificate is in the bundles, so the SuperLink cannot be asked for its nodes",
        where=str(bundles / "users"),
        remedy="declare a user with the role viewer, then `flowerbed apply`",
    )


def nodes(connection: Connection, forwarded: int = 0) -> list[NodeRecord]:
    """Return the SuperLink's nodes; `forwarded` is a loopback port that leads to it, 0 to dial it itself.

    Raises UnreachableError, NotAllowedError or UsageError.
    """
    if not forwarded:
        return runs.list_nodes(connection, timeout=PATIENCE)
    with runs.translated(), ForwardedClient(connection, forwarded) as client:
        return runs.nodes_of(client)
