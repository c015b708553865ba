"""The pods of a whole federation as rendered, and who of them, or of everybody else, may dial whom."""

from __future__ import annotations

from typing import Any

from support.chart_release import Release, render
from support.network_graph import Edge, Network, Party, party

TCP = [53, 443, 3128, 6443, 8000, 8080, 8404, 8443, 9091, 9092, 9093, 9094]
PORTS = [(53, "UDP"), *((port, "TCP") for port in TCP)]
CLUSTER = {"superlink": {"namespace": "hospitals", "address": "hospitals-superlink-fleet.hospitals:9092"}}
STRANGERS = [
    Party("stranger in hospitals", "hospitals"),
    Party("stranger in north", "north"),
    Party("stranger in north-tasks", "north-tasks"),
    Party("stranger in analysts", "analysts"),
    # It says that it is a SuperNode, but it is in a namespace that nobody declared.
    Party("SuperNode elsewhere", "elsewhere", (("app.kubernetes.io/name", "supernode"),)),
    Party("SuperLink elsewhere", "elsewhere", (("app.kubernetes.io/name", "superlink"),)),
]
DNS = Party("DNS", "kube-system", (("k8s-app", "kube-dns"),))
API = Party("Kubernetes API", ip="192.0.2.1")
GIT = Party("git server", ip="192.0.2.8")
WORLD = Party("world", ip="198.51.100.7")


def superlink(**values: Any) -> Release:  # noqa: ANN401
    """Return a SuperLink that knows a tenant and a team, with its SuperExec in a pod of its own."""
    policy = {"tenants": {"north": {"namespace": "north"}}, "users": {"team": {"namespace": "analysts"}}}
    return render("superlink", {"networkPolicy": policy, **values})


def supernode(**values: Any) -> Release:  # noqa: ANN401
    """Return a tenant's SuperNodes in the same cluster."""
    return render("supernode", {**CLUSTER, "tls": {"existingSecret": "ca"}, **values})


def app(**values: Any) -> Release:  # noqa: ANN401
    """Return a Job in the same cluster."""
    base = {**CLUSTER, "tls": {"existingSecret": "u"}, "user": {"existingSecret": "u"}}
    return render("app", {**base, "app": {"inline": {"pyproject.toml": ""}}, **values})


def parties(*releases: Release) -> list[Party]:
    """Return the releases' pods, each named by its chart and component, and everybody else."""
    found = {}
    for release in releases:
        for pod in release.pods():
            name = f"{release.chart} {pod.labels['app.kubernetes.io/component']}"
            found[name] = party(pod, name)
    return [*found.values(), *STRANGERS, DNS, API, GIT, WORLD]


def graph(*releases: Release) -> set[Edge]:
    """Return every allowed edge that one of the releases has an end of."""
    return set(Network(releases).edges(parties(*releases), PORTS))
