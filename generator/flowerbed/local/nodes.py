"""Which of the declared nodes the SuperLink knows, and which are online."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from flowerbed import documents
from flowerbed.files import PRIVATE_MODE, read_file
from flowerbed.local.commands import LocalLayout, nodes_file
from flowerbed.local.process import START_LINE
from flowerbed.local.state import Entry
from flowerbed.runs.control import list_nodes, load_connection
from flowerbed.runs.model import NodeRecord

NodeState = Literal["declared", "registered", "offline", "online", "unregistered"]
# How long a call to the SuperLink may take before it counts as no answer, in seconds.
CALL_TIMEOUT = 3.0
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


def read_nodes(layout: LocalLayout) -> tuple[NodeStatus, ...]:
    """Ask the SuperLink itself for the declared nodes. Raises UnreachableError or NotAllowedError."""
    connection = load_connection(layout.directory.connection_past_gateway)
    records = list_nodes(connection, CALL_TIMEOUT)
    by_id = {record.node_id: record for record in records}
    by_key = {record.public_key: record for record in records}
    keys = {} if layout.plan.insecure else _keys(layout)
    statuses = []
    for tenant in layout.plan.tenants:
        for node in tenant.nodes:
            printed = _printed(layout.directory.log(node.name))
            record = by_key.get(keys[node.name]) if keys else by_id.get(_registered_id(printed))
            status = NodeStatus(name=node.name, tenant=tenant.name, state="declared")
            statuses.append(_completed(status, record, printed))
    return tuple(statuses)


def names(nodes: Iterable[NodeStatus]) -> str:
    """Return the names of nodes as text."""
    return ", ".join(node.name for node in nodes)


def _keys(layout: LocalLayout) -> dict[str, str]:
    file = read_file(nodes_file(layout), PRIVATE_MODE)
    return documents.decode(file.data, dict[str, str]) if file else {}


def _completed(node: NodeStatus, record: NodeRecord | None, printed: str) -> NodeStatus:
    if record is None:
        return msgspec.structs.replace(node, reason=_reason(printed))
    # For a minute the SuperLink takes a node that was killed for online: the new start has to say so as well.
    state = (
        "offline"
        if record.status == "online" and record.node_id != _registered_id(printed)
        else record.status
    )
    reason = "" if state == "online" else _reason(printed)
    return msgspec.structs.replace(node, state=state, node_id=record.node_id, reason=reason)


def _reason(printed: str) -> str:
    """Return why a node waits, in its own last words; "" when it does not say."""
    last = next((line for line in reversed(printed.splitlines()) if line.startswith("supernode: ")), "")
    return last.removeprefix(_WAITING) if last.startswith(_WAITING) else ""


def _registered_id(printed: str) -> str:
    ids = _ID_LINE.findall(printed)
    return ids[-1] if ids else ""


def _printed(log: Path) -> str:
    """Return what a process has printed since its last start."""
    try:
        return log.read_bytes().rpartition(START_LINE)[2].decode(errors="replace")
    except OSError:
        return ""
