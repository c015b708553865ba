"""Who took part in a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from flowerbed.flower.nodes import Node
from flowerbed.flower.replies import Replies
from flowerbed.flower.verdict import SUPERLINK, absent
from flowerbed.runs.metrics.model import Metrics, NodeFigures


class Participant(msgspec.Struct, frozen=True):
    """A node that took part: all that were online where all were asked, else those of which the log speaks.

    `name` and `tenant` are "" where nobody knows them; `examples` is the number that it last told;
    `rounds` are those that it has told of, `failures` counts its errors, `missing` the replies that it did
    not send.
    """

    node: str
    name: str
    tenant: str
    labels: dict[str, str]
    examples: int | None
    rounds: tuple[int, ...]
    failures: int
    missing: int = 0


def participants(
    metrics: Metrics,
    replies: Replies,
    nodes: Sequence[Node],
    names: Mapping[str, str],
    tenants: Mapping[str, str],
) -> list[Participant]:
    """Return who took part, in the order of the declaration, then by name.

    `nodes` were online during the run, `names` are those of all nodes by id, `tenants` are by node name.
    """
    told: dict[str, list[NodeFigures]] = {}
    for figures in metrics.nodes:
        told.setdefault(figures.node, []).append(figures)
    failed = Counter(one.node for one in metrics.failures if one.node != SUPERLINK)
    phases = replies.counted()
    missing = Counter(one.node_id for phase in phases for one in absent(phase, nodes))
    asked = (
        [one.node_id for one in nodes] if phases and all(one.total == len(nodes) for one in phases) else []
    )
    found = [
        Participant(
            node=node,
            name=names.get(node, ""),
            tenant=tenants.get(names.get(node, ""), ""),
            labels=told[node][-1].labels if node in told else {},
            examples=told[node][-1].examples if node in told else None,
            rounds=tuple(figures.round for figures in told.get(node, ())),
            failures=failed[node],
            missing=missing[node],
        )
        for node in dict.fromkeys([*told, *failed, *asked])
    ]
    order = {name: place for place, name in enumerate(tenants)}
    return sorted(found, key=lambda one: (order.get(one.name, len(order)), one.name, one.node))
