"""The SuperLink's own view of its nodes, asked as a user of the bundles through the control endpoint."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

from flowerbed import runs
from flowerbed.errors import NotAllowedError, UsageError
from flowerbed.flower.client import FlowerClient
from flowerbed.flower.connection import Connection
from flowerbed.identities.users import usable_users
from flowerbed.plan import Plan
from flowerbed.runs.model import NodeRecord

REQUEST_TIMEOUT = 10.0


class ForwardedClient(FlowerClient):
    """A client whose connections go to a loopback port, while TLS asks for the SuperLink's own name."""

    def __init__(self, connection: Connection, port: int, timeout: float = REQUEST_TIMEOUT) -> None:
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


def connections(plan: Plan, bundles: Path) -> Iterator[Connection]:
    """Yield the connections of users whose certificates count, the one with the least rights first.

    Raises UsageError if there is none, with the reason for each user.
    """
    usable = usable_users(plan, bundles)
    for user in usable.users:
        file = bundles / "users" / user.name / "connection.toml"
        if file.exists():
            yield runs.load_connection(file)
    if plan.insecure:
        yield Connection(address=plan.superlink.control.address, insecure=True)
    elif not usable.users:
        reasons = f" ({usable.reasons})" if usable.others else ""
        what = "no user's certificate in the bundles can be used, so the SuperLink is not asked for its nodes"
        raise UsageError(
            f"{what}{reasons}",
            where=str(bundles / "users"),
            remedy="`flowerbed rotate certificate --user NAME` makes a new one; or declare a user with the"
            " role viewer, then `flowerbed apply`",
        )


def registered_nodes(plan: Plan, bundles: Path, forwarded: int = 0) -> list[NodeRecord]:
    """Return the SuperLink's nodes, asked as the first user whom it does not refuse.

    Raises UnreachableError, NotAllowedError (of the first refusal) or UsageError.
    """
    refused: NotAllowedError | None = None
    for connection in connections(plan, bundles):
        try:
            return nodes_over(connection, forwarded)
        except NotAllowedError as error:
            refused = refused or error
    assert refused is not None  # noqa: S101  (no connection at all raises)
    raise refused


def nodes_over(connection: Connection, forwarded: int = 0) -> list[NodeRecord]:
    """Return the SuperLink's nodes; `forwarded` is a loopback port that leads to it, 0 to dial it itself.

    Raises UnreachableError, NotAllowedError or UsageError.
    """
    if not forwarded:
        return runs.list_nodes(connection, timeout=REQUEST_TIMEOUT)
    with ForwardedClient(connection, forwarded) as client:
        return runs.nodes_of(client)
