"""How many nodes an app waits for, as its run config says, beside those that are online."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .app.run_config import Scalar
from .client import FlowerClient, messages
from .errors import RefusedError

# Flower has no key of its own for it. Its strategies' arguments, and apps with them, say `min_train_nodes`,
# `min-available-clients`, `min-nodes` and the like.
KEY = re.compile(r"(.*[-_.])?min[-_]([a-z]+[-_])*(nodes|clients|supernodes)")
LONGEST_KEY = 100


@dataclass(frozen=True, slots=True)
class Node:
    """A SuperNode: Flower's id in decimal, its name ("" where nobody gave one), whether it is online now.

    `online` is None where that is not known, as of a run that ended long ago.
    """

    node_id: str
    name: str
    online: bool | None


def node_list(client: FlowerClient) -> list[Any]:
    """Return Flower's NodeInfo messages of all SuperNodes ever registered. Raises the client's errors."""
    control = messages()
    reply = client.call("control/list-nodes", control.ListNodesRequest(), control.ListNodesResponse)
    return list(reply.nodes_info)


def present(nodes: Iterable[Any], begin: str, end: str) -> tuple[Node, ...]:
    """Return those of Flower's NodeInfo messages that were online between two moments (ISO 8601).

    Of a node that came back after the end it is not known, so it is left out.
    """
    if not begin:
        return ()
    since = datetime.fromisoformat(begin).timestamp()
    return tuple(
        Node(str(one.node_id), str(one.name), one.status == "online")
        for one in nodes
        if one.last_activated_at and one.online_until >= since and not _later(one.last_activated_at, end)
    )


def _later(moment: str, end: str) -> bool:
    return bool(end) and datetime.fromisoformat(moment) > datetime.fromisoformat(end)


def wanted(config: Mapping[str, Scalar]) -> tuple[str, int]:
    """Return the key that asks for most nodes and its value; ("", 0) where none is known."""
    whole = {key: value for key, value in config.items() if type(value) is int and len(key) <= LONGEST_KEY}
    found = {key: value for key, value in whole.items() if KEY.fullmatch(key)}
    key = max(found, key=lambda name: (found[name], name), default="")
    return key, int(found[key]) if key else 0


def too_few(client: FlowerClient, config: Mapping[str, Scalar]) -> Iterator[str]:
    """Yield a warning if fewer nodes are online than an app waits for. Raises UnreachableError.

    No reason not to start it: nodes may come. One call, made only where the config says a number.
    """
    key, number = wanted(config)
    if number < 1:
        return
    with contextlib.suppress(RefusedError):  # starting the run will tell
        online = sum(node.status == "online" for node in node_list(client))
        if online < number:
            verb = "is" if online == 1 else "are"
            yield (
                f"the app waits for {number} nodes ({key}), {online} {verb} online: the run will wait for "
                f"more, or start it with --set {key}={max(online, 1)}"
            )
