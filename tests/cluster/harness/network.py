"""The network of the built clusters: a bridge in a namespace of its own joins host and nodes.

    host 198.19.255.254 --- bridge (namespace flowerbed-wan) --- node 1 of cluster 7: 198.19.7.1 --- its pods
                                     |                 (LoadBalancers: 198.19.7.100 and up)
                                     +--- node 1 of cluster 8: 198.19.8.1 --- its pods

The host reaches API servers, NodePorts and LoadBalancer addresses; clusters reach each other's. No node has a
way out: its default route leads into the bridge, where nobody answers. RFC 2544 sets 198.19.0.0/16 aside for
tests of networks.
"""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path

from .cache import HarnessError, locked
from .shell import run

RUN = Path("/run/flowerbed-cluster")
WAN = "flowerbed-wan"
NETWORK = ipaddress.ip_network("198.19.0.0/16")
HOST = "198.19.255.254"
HOST_LINK = "flowerbed-host"
PODS = "10.244.0.0/16"
LAST_NUMBER = 250
BALANCERS = range(100, 200)


def node_address(number: int, node: int) -> str:
    """Return the address of node 1, 2, ... of the cluster with this number."""
    return f"198.19.{number}.{node}"


def namespace(name: str, node: int) -> str:
    """Return the network namespace of a node."""
    return f"flowerbed-{name}-{node}"


def _link(number: int, node: int) -> str:
    return f"fb{number}-{node}"


def _refuse_a_clash() -> None:
    """Raise if the host already routes some of our addresses to somewhere else."""
    for route in json.loads(run("ip", "-json", "route")):
        if route["dst"] == "default" or route.get("dev") == HOST_LINK:
            continue
        if ipaddress.ip_network(route["dst"], strict=False).overlaps(NETWORK):
            raise HarnessError(
                f"this machine already routes {route['dst']}, which overlaps {NETWORK} of the tests' clusters"
            )


def _namespaces() -> set[str]:
    return {entry["name"] for entry in json.loads(run("ip", "-json", "netns") or "[]")}


def plug(name: str, number: int, nodes: int) -> None:
    """Make the network namespaces of a cluster's nodes, and the bridge for them if it is not there."""
    # In one go: a cluster that ends meanwhile takes a bridge away that nobody is at.
    with locked(RUN / "wan.lock"):
        _plug_host()
        for node in range(1, nodes + 1):
            _connect(name, number, node)
    for node in range(1, nodes + 1):
        _route(name, number, node, nodes)


def _plug_host() -> None:
    if WAN in _namespaces() and run("ip", "-json", "link", "show", HOST_LINK, check=False):
        return
    _refuse_a_clash()
    run("ip", "netns", "del", WAN, check=False)
    run("ip", "netns", "add", WAN)
    run("ip", "-n", WAN, "link", "add", "wan", "type", "bridge")
    run("ip", "-n", WAN, "link", "set", "wan", "up")
    run("ip", "link", "add", HOST_LINK, "type", "veth", "peer", "name", "host", "netns", WAN)
    run("ip", "-n", WAN, "link", "set", "host", "master", "wan", "up")
    run("ip", "address", "add", f"{HOST}/16", "dev", HOST_LINK)
    run("ip", "link", "set", HOST_LINK, "up")


def unplug_host() -> None:
    """Remove the bridge and the host's end, if no cluster is left."""
    with locked(RUN / "wan.lock"):
        if WAN not in _namespaces():
            return
        ports = json.loads(run("ip", "-n", WAN, "-json", "link", "show", "master", "wan") or "[]")
        if all(port["ifname"] == "host" for port in ports):
            run("ip", "link", "del", HOST_LINK, check=False)
            run("ip", "netns", "del", WAN)


def _connect(name: str, number: int, node: int) -> None:
    """Make a node's namespace, with a link to the bridge."""
    space, link = namespace(name, node), _link(number, node)
    run("ip", "netns", "add", space)
    run("ip", "-n", space, "link", "set", "lo", "up")
    # An address keeps its hardware address when clusters follow each other: the host may remember it.
    hardware = ("address", f"02:f1:0e:00:{number:02x}:{node:02x}")
    peer = ("type", "veth", "peer", "name", link, "netns", WAN)
    run("ip", "-n", space, "link", "add", "node0", *hardware, *peer)
    run("ip", "-n", WAN, "link", "set", link, "master", "wan", "up")


def _route(name: str, number: int, node: int, nodes: int) -> None:
    """Give a node its address, routes to other nodes' pods, and a queue for policies."""
    space = namespace(name, node)
    run("ip", "-n", space, "address", "add", f"{node_address(number, node)}/16", "dev", "node0")
    run("ip", "-n", space, "link", "set", "node0", "up")
    run("ip", "-n", space, "route", "add", "default", "dev", "node0")
    for other in range(1, nodes + 1):
        if other != node:
            pods = f"10.244.{other}.0/24"
            run("ip", "-n", space, "route", "add", pods, "via", node_address(number, other))
    inside = ("nsenter", f"--net=/run/netns/{space}")
    run(*inside, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    rules = f"""\
*nat
-A POSTROUTING -s {PODS} ! -d {PODS} -o node0 -j MASQUERADE
COMMIT
*mangle
-A POSTROUTING -m conntrack --ctstate NEW -m addrtype ! --src-type LOCAL -j NFQUEUE --queue-num 100
COMMIT
"""
    # kube-network-policies judges queue 100, but a kernel may lack nft's `queue`, which it would
    # program. Probes of the kubelet, which come from the node itself, pass.
    run(*inside, "iptables-restore", "--noflush", stdin=rules)


def add_address(space: str, address: str) -> None:
    """Let a node answer for a LoadBalancer's address."""
    run("ip", "-n", space, "address", "replace", f"{address}/32", "dev", "node0")


def unplug_nodes(name: str) -> None:
    """Remove the network namespaces of a cluster's nodes; their links go with them."""
    for space in sorted(_namespaces()):
        if space.rpartition("-")[0] == f"flowerbed-{name}" and space != WAN:
            # Namespaces go late; without this their link would keep the bridge.
            run("ip", "-n", space, "link", "del", "node0", check=False)
            run("ip", "netns", "del", space)
