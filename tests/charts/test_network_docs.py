"""The table of connections in docs/access.md is what the charts' NetworkPolicies come to.

Run as a program, as `make generated` does, it writes it anew.
"""

from __future__ import annotations

from marked import replaced, table
from support.chart_network import app, graph, superlink, supernode
from support.network_graph import Edge
from support.paths import ROOT, writing

PAGE = ROOT / "docs" / "access.md"
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
    return "always" if "always" in allowed else "; ".join(allowed)


def test_the_table_of_connections_is_true() -> None:
    """Every allowed connection is written, and no other."""
    text = PAGE.read_text(encoding="utf-8")
    found = connections()
    assert text == replaced(text, "connections", found), writing(__file__)
    assert "| supernode supernode | superlink superlink | 9092/TCP | always |" in found
    assert "stranger" not in found
    assert "elsewhere" not in found


if __name__ == "__main__":
    PAGE.write_text(
        replaced(PAGE.read_text(encoding="utf-8"), "connections", connections()), encoding="utf-8"
    )
