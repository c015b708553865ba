"""Who may dial whom in a whole federation: computed from rendered policies, compared with lists by hand."""

from __future__ import annotations

from typing import Any

import pytest

from support.chart_network import app, graph, parties, superlink, supernode
from support.network_graph import Edge, Network


def to_dns(*names: str) -> set[Edge]:
    """Return the edges by which names are looked up."""
    return {Edge(name, "DNS", 53, protocol) for name in names for protocol in ("UDP", "TCP")}


SUPERLINK = {
    Edge("superlink superexec", "superlink superlink", 9091),
    Edge("superlink test", "superlink superlink", 9092),
    Edge("superlink test", "superlink superlink", 9093),
} | to_dns("superlink superexec", "superlink test")
NODES = {
    Edge("supernode supernode", "superlink superlink", 9092),
    Edge("supernode test", "superlink superlink", 9092),
} | to_dns("supernode supernode", "supernode test")
RUNS = {
    Edge("app run", "superlink superlink", 9093),
    Edge("app test", "superlink superlink", 9093),
} | to_dns("app run", "app test")


def test_a_federation_in_one_cluster() -> None:
    """SuperNodes reach the fleet, Jobs reach control, a SuperExec reaches runtime, and that is all."""
    assert graph(superlink(), supernode(), app()) == SUPERLINK | NODES | RUNS


def test_apps_in_pods_of_their_own() -> None:
    """A SuperExec's pod reaches the SuperNodes' Runtime API and what it was given; no SuperNode gets more."""
    given = {"to": [{"ipBlock": {"cidr": "192.0.2.8/32"}}], "ports": [{"port": 443, "protocol": "TCP"}]}
    values = {"isolationMode": "process", "superexec": {"executor": "deployment"}}
    nodes = supernode(**values, networkPolicy={"extraEgress": [given]})
    apart = {
        Edge("supernode superexec", "supernode supernode", 9094),
        Edge("supernode superexec", "git server", 443),
    }
    assert graph(superlink(), nodes) == SUPERLINK | NODES | apart | to_dns("supernode superexec")


def test_a_pod_per_task() -> None:
    """Task pods reach their SuperNodes and what they were given; only SuperExecs reach the Kubernetes API."""
    api = {"apiServerCidrs": ["192.0.2.1/32"], "apiServerPorts": [6443]}
    given = {"to": [{"ipBlock": {"cidr": "192.0.2.8/32"}}], "ports": [{"port": 443, "protocol": "TCP"}]}
    values = {"isolationMode": "process", "superexec": {"executor": "kubernetes"}}
    nodes = supernode(**values, networkPolicy={**api, "extraEgress": [given]})
    expected = (
        SUPERLINK
        | NODES
        | {
            Edge("supernode superexec", "supernode supernode", 9094),
            Edge("supernode superexec", "Kubernetes API", 6443),
            Edge("supernode taskexecutor", "supernode supernode", 9094),
            Edge("supernode taskexecutor", "git server", 443),
        }
        | to_dns("supernode superexec", "supernode taskexecutor")
    )
    assert graph(superlink(), nodes) == expected


def test_apps_in_the_nodes_pod() -> None:
    """What ClientApps are given is the SuperNode's when they run in its pod."""
    given = {"to": [{"ipBlock": {"cidr": "192.0.2.8/32"}}], "ports": [{"port": 443, "protocol": "TCP"}]}
    nodes = supernode(networkPolicy={"extraEgress": [given]})
    more = {Edge(f"supernode {name}", "git server", 443) for name in ("supernode", "test")}
    assert graph(superlink(), nodes) == SUPERLINK | NODES | more


@pytest.mark.parametrize(
    ("policy", "reached"),
    [({}, {"Kubernetes API", "git server", "world"}), ({"superlinkCidrs": ["198.51.100.7/32"]}, {"world"})],
)
def test_a_superlink_outside(policy: dict[str, Any], reached: set[str]) -> None:
    """Nodes of another cluster reach the SuperLink's addresses on its port, and no pod of theirs."""
    nodes = supernode(superlink={"address": "fleet.example.org:443"}, networkPolicy=policy)
    names = ("supernode supernode", "supernode test")
    expected = {Edge(name, target, 443) for name in names for target in reached} | to_dns(*names)
    assert graph(nodes) == expected


def test_a_job_fetches_its_app_and_writes_its_outcome() -> None:
    """A Job reaches the server of its source and the Kubernetes API only when it needs to."""
    job = app(
        app={"git": {"url": "https://git.example.org:8443/x.git", "ref": "main"}},
        outcome={"configMap": {"enabled": True}},
        networkPolicy={
            "sourceCidrs": ["192.0.2.8/32"],
            "apiServerCidrs": ["192.0.2.1/32"],
            "apiServerPorts": [6443],
            "extraEgress": [
                {
                    "to": [{"ipBlock": {"cidr": "198.51.100.7/32"}}],
                    "ports": [{"port": 3128, "protocol": "TCP"}],
                }
            ],
        },
    )
    more = {
        Edge(f"app {name}", target, port)
        for name in ("run", "test")
        for target, port in (("git server", 8443), ("Kubernetes API", 6443), ("world", 3128))
    }
    assert graph(superlink(), job) == SUPERLINK | RUNS | more


def test_without_policies_everything_is_open() -> None:
    """The control of all tests above: what they find denied is allowed when the policies are taken away."""
    guarded = (superlink(), supernode())
    pods = {found.name: found for found in parties(*guarded)}
    open_ones = (superlink(networkPolicy={"enabled": False}), supernode(networkPolicy={"enabled": False}))
    for source, target, port in (
        ("stranger in hospitals", "superlink superlink", 9093),
        ("SuperNode elsewhere", "superlink superlink", 9092),
        ("supernode supernode", "world", 443),
        ("supernode supernode", "superlink superlink", 9091),
    ):
        edge = (pods[source], pods[target], (port, "TCP"))
        assert not Network(guarded).allows(*edge)
        assert Network(open_ones).allows(*edge)
