"""Which of the declared nodes the SuperLink knows, and which are online."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from flowerbed import documents
from flowerbed.files import PRIVATE_MODE, read_file
from flowerbed.local.commands import Site, nodes_file
from flowerbed.local.part import START_LINE
from flowerbed.local.state import Entry
from flowerbed.runs.control import list_nodes, load_connection
from flowerbed.runs.model import NodeRecord

NodeState = Literal["declared", "registered", "offline", "online", "unregistered"]
# How long a call to the SuperLink may take before it counts as no answer, in seconds.
PATIENCE = 3.0
# flwr 1.41 prints this line when the SuperLink has taken the node; without a key nothing else tells the id.
_ID_LINE = re.compile(r"SuperNode ID: (\d+)")
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
    by_id = {record.node_id: record for record in records}
    by_key = {record.public_key: record for record in records}
    keys = {} if site.plan.insecure else _keys(site)
    found = []
    for tenant in site.plan.tenants:
        for node in tenant.nodes:
            said = _said(site.state.log(node.name))
            taken = _taken_as(said)
            record = by_key.get(keys[node.name]) if keys else by_id.get(taken)
            found.append(
                _status(NodeStatus(name=node.name, tenant=tenant.name, state="declared"), record, said)
            )
    return tuple(found)


def names(nodes: Iterable[NodeStatus]) -> str:
    """Return the names of nodes as text."""
    return ", ".join(node.name for node in nodes)


def _keys(site: Site) -> dict[str, str]:
    found = read_file(nodes_file(site), PRIVATE_MODE)
    return documents.decode(found.data, dict[str, str]) if found else {}


def _status(node: NodeStatus, record: NodeRecord | None, said: str) -> NodeStatus:
    if record is None:
        return msgspec.structs.replace(node, reason=_reason(said))
    # For a minute the SuperLink takes a node that was killed for online: the new start has to say so as well.
    state = "offline" if record.status == "online" and record.node_id != _taken_as(said) else record.status
    reason = "" if state == "online" else _reason(said)
    return msgspec.structs.replace(node, state=state, node_id=record.node_id, reason=reason)


def _reason(said: str) -> str:
    """Return why a node waits, in its own last words; "" when it does not say."""
    last = next((line for line in reversed(said.splitlines()) if line.startswith("supernode: ")), "")
    return last.removeprefix(_WAITING) if last.startswith(_WAITING) else ""


def _taken_as(said: str) -> str:
    ids = _ID_LINE.findall(said)
    return ids[-1] if ids else ""


def _said(log: Path) -> str:
    """Return what a part has printed since its last start."""
    try:
        return log.read_bytes().rpartition(START_LINE)[2].decode(errors="replace")
    except OSError:
        return ""
