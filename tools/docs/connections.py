"""docs/reference/access.md: who may dial whom, by the NetworkPolicies that Helm renders."""

from __future__ import annotations

from marked import table
from support.chart_network import app, graph, superlink, supernode
from support.network_graph import Edge

PROCESS = {"isolationMode": "process"}
API = {"apiServerCidrs": ["192.0.2.1/32"], "apiServerPorts": [6443]}
NAMES = {"world": "the SuperLink's addresses, as given"}
OUTSIDE = {"superlink": {"address": "fleet.example.org:443"}}


def settings() -> dict[str, set[Edge]]:
    """Return what is allowed, by what is set: each adds to the first."""
    apart = {"executor": "deployment"}, {"executor": "kubernetes"}
    own_pod, per_task = (supernode(**PROCESS, superexec=executor, networkPolicy=API) for executor in apart)
    return {
        "always": graph(superlink(), supernode(), app()),
        "tenant: `executor: deployment`": graph(superlink(), own_pod),
        "tenant: `executor: kubernetes`": graph(superlink(), per_task),
        "fleet exposed outside the cluster": graph(
            supernode(**OUTSIDE, networkPolicy={"superlinkCidrs": ["198.51.100.7/32"]})
        ),
        "app from a git server": graph(
            superlink(),
            app(
                app={"git": {"url": "https://git.example.org/x.git", "ref": "main"}},
                networkPolicy={"sourceCidrs": ["192.0.2.8/32"]},
            ),
        ),
    }


def connections() -> str:
    """Return who may dial whom, as a table; what is always allowed comes first."""
    found: dict[Edge, list[str]] = {}
    for setting, edges in settings().items():
        for edge in sorted(edges):
            found.setdefault(edge, []).append(setting)
    return table(
        ["from", "to", "port", "when"],
        (
            (edge.source, NAMES.get(edge.target, edge.target), f"{edge.port}/{edge.protocol}", when(allowed))
            for edge, allowed in found.items()
        ),
    )


def when(allowed: list[str]) -> str:
    """Return the settings that allow a connection, in words."""
    return "always" if "always" in allowed else "; ".join(allowed)
