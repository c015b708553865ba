"""How many nodes an app waits for, as its run config says, beside those that are online."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from .flower_client import FlowerClient, messages
    from .flower_config import Scalar
    from .flower_connection import Refused
else:  # lying beside the program that runs
    from flower_client import FlowerClient, messages
    from flower_config import Scalar
    from flower_connection import Refused

# Flower has no key of its own for it. Its strategies' arguments, and apps with them, say `min_train_nodes`,
# `min-available-clients`, `min-nodes` and the like.
KEY = re.compile(r"(.*[-_.])?min[-_]([a-z]+[-_])*(nodes|clients|supernodes)")
LONGEST_KEY = 100


def wanted(config: Mapping[str, Scalar]) -> tuple[str, int]:
    """Return the key that asks for most nodes and its value; ("", 0) where none is known."""
    whole = {key: value for key, value in config.items() if type(value) is int and len(key) <= LONGEST_KEY}
    found = {key: value for key, value in whole.items() if KEY.fullmatch(key)}
    key = max(found, key=lambda name: (found[name], name), default="")
    return key, int(found[key]) if key else 0


def too_few(client: FlowerClient, config: Mapping[str, Scalar]) -> Iterator[str]:
    """Yield a warning if fewer nodes are online than an app waits for. Raises Unreachable.

    No reason not to start it: nodes may come. One call, made only where the config says a number.
    """
    key, number = wanted(config)
    if number < 1:
        return
    control = messages()
    with contextlib.suppress(Refused):  # starting the run will tell
        reply = client.call("control/list-nodes", control.ListNodesRequest(), control.ListNodesResponse)
        online = sum(node.status == "online" for node in reply.nodes_info)
        if online < number:
            yield (
                f"the app waits for {number} nodes ({key}), and {online} are online: the run will wait for "
                f"more, or start it with --set {key}={max(online, 1)}"
            )
