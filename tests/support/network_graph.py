"""Who may dial whom, computed from rendered NetworkPolicies as Kubernetes defines them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from support.chart_release import Object, Pod, Release

NAMESPACE_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True)
class Party:
    """A pod, or an address outside of the cluster (`ip`)."""

    name: str
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    ip: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """A connection that is allowed."""

    source: str
    target: str
    port: int
    protocol: str = "TCP"


def party(pod: Pod, name: str) -> Party:
    """Return a pod of a release as a party."""
    return Party(name, pod.namespace, tuple(sorted(pod.labels.items())))


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Return whether a label selector takes these labels."""
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    for item in selector.get("matchExpressions", []):
        value, operator = labels.get(item["key"]), item["operator"]
        found = {
            "In": value in item.get("values", []),
            "NotIn": value not in item.get("values", []),
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }[operator]
        if not found:
            return False
    return True


def takes(peer: Object, other: Party, namespace: str) -> bool:
    """Return whether a rule's peer is this party; `namespace` is the policy's own."""
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        inside = other.ip and ipaddress.ip_address(other.ip) in ipaddress.ip_network(block["cidr"])
        return bool(inside) and not any(
            ipaddress.ip_address(other.ip) in ipaddress.ip_network(hole) for hole in block.get("except", [])
        )
    if other.ip:
        return False
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], {NAMESPACE_LABEL: other.namespace}):
            return False
    elif other.namespace != namespace:
        return False
    return selects(peer.get("podSelector", {}), dict(other.labels))


class Network:
    """The policies of several releases at once."""

    def __init__(self, releases: Iterable[Release]) -> None:
        self.policies = [policy for release in releases for policy in release.of("NetworkPolicy")]

    def _rules(self, direction: str, of: Party) -> list[tuple[str, list[Object]]] | None:
        """Return the rules that hold for a pod; None if no policy of this direction selects it."""
        chosen = [
            policy
            for policy in self.policies
            if not of.ip
            and policy["metadata"]["namespace"] == of.namespace
            and direction.capitalize() in policy["spec"]["policyTypes"]
            and selects(policy["spec"]["podSelector"], dict(of.labels))
        ]
        if not chosen:
            return None
        return [(item["metadata"]["namespace"], item["spec"].get(direction) or []) for item in chosen]

    def _allows(self, direction: str, of: Party, other: Party, port: tuple[int, str]) -> bool:
        rules = self._rules(direction, of)
        if rules is None:
            return True
        peers = "from" if direction == "ingress" else "to"
        return any(
            (not rule.get(peers) or any(takes(peer, other, namespace) for peer in rule[peers]))
            and (
                not rule.get("ports")
                or any((item["port"], item.get("protocol", "TCP")) == port for item in rule["ports"])
            )
            for namespace, found in rules
            for rule in found
        )

    def allows(self, source: Party, target: Party, port: tuple[int, str]) -> bool:
        """Return whether both ends allow a connection."""
        leaves = self._allows("egress", source, target, port)
        return leaves and self._allows("ingress", target, source, port)

    def edges(self, parties: Iterable[Party], ports: Iterable[tuple[int, str]]) -> Iterator[Edge]:
        """Yield every connection that both ends allow and that a policy had a word in."""
        everybody, all_ports = list(parties), list(ports)
        for source in everybody:
            for target in everybody:
                leaving, arriving = self._rules("egress", source), self._rules("ingress", target)
                if source == target or (leaving is None and arriving is None):
                    continue
                for port in all_ports:
                    if self.allows(source, target, port):
                        yield Edge(source.name, target.name, *port)
