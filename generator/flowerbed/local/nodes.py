"""Which of the declared nodes the SuperLink knows, and which are online."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from flowerbed.files import PRIVATE_MODE, read_file
from flowerbed.local.commands import Site, nodes_file
from flowerbed.local.state import Entry
from flowerbed.runs import NodeRecord, list_nodes, load_connection

NodeState = Literal["declared", "registered", "offline", "online", "unregistered"]
# How long a call to the SuperLink may take before it counts as no answer, in seconds.
PATIENCE = 3.0
# flwr 1.41 prints this line when the SuperLink has taken the node; without a key nothing else tells its id.
_ID_LINE = re.compile(rb"SuperNode ID: (\d+)")
_WAITING = "supernode: waiting: "


class NodeStatus(Entry, frozen=True):
    """A declared node: `node_id` is "" until it has one; `reason` says why it is not online."""

    name: str
    tenant: str
    state: NodeState
    node_id: str = ""
    reason: str = ""


def read_nodes(site: Site) -> tuple[NodeStatus, ...]:
    """Ask the SuperLink itself for the declared nodes. Raises UnreachableError or NotAllowedError."""
    connection = load_connection(site.state.connection_past_gateway)
    records = list_nodes(connection, PATIENCE)
    known = {record.node_id: record for record in records}
    by_key = {record.public_key: record for record in records}
    keys = {} if site.plan.insecure else _keys(site)
    found = []
    for tenant in site.plan.tenants:
        for node in tenant.nodes:
            log = site.state.log(node.name)
            record = by_key.get(keys[node.name]) if keys else known.get(_printed_id(log))
            found.append(_status(node.name, tenant.name, record, log))
    return tuple(found)


def reason(log: Path) -> str:
    """Return why a node waits, in its own last words; "" when it does not say."""
    lines = _read(log).decode(errors="replace").splitlines()
    last = next((line for line in reversed(lines) if line.startswith("supernode: ")), "")
    return last.removeprefix(_WAITING) if last.startswith(_WAITING) else ""


def names(nodes: Iterable[NodeStatus]) -> str:
    """Return the names of nodes as text."""
    return ", ".join(node.name for node in nodes)


def _keys(site: Site) -> dict[str, str]:
    found = read_file(nodes_file(site), PRIVATE_MODE)
    return msgspec.json.decode(found.data, type=dict[str, str]) if found else {}


def _status(name: str, tenant: str, record: NodeRecord | None, log: Path) -> NodeStatus:
    if record is None:
        return NodeStatus(name=name, tenant=tenant, state="declared", reason=reason(log))
    online = record.status == "online"
    return NodeStatus(
        name=name,
        tenant=tenant,
        state=record.status,
        node_id=record.node_id,
        reason="" if online else reason(log),
    )


def _printed_id(log: Path) -> str:
    ids = _ID_LINE.findall(_read(log))
    return ids[-1].decode() if ids else ""


def _read(log: Path) -> bytes:
    try:
        return log.read_bytes()
    except OSError:
        return b""
