"""A node's key in other hands, and a key that is replaced: who gets in, what is shown, who trains."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from applied import Applied
from followed_runs import ready, rounds_of, running, wait_until
from harness.cluster import Cluster
from parties import CHARTS

from flowerbed.flower.programs.supernode import fingerprint
from flowerbed.runs import NodeRecord, list_nodes, load_connection

CONTROL = 31693
SPACE, OWNER, OTHER = "keyed", "keyed-near", "keyed-far"
NODE = "keyed-near-0"
TEXT = """
version: 1
name: keyed
superlink:
  namespace: keyed
  exposure: {{control: {{type: node-port, host: {host}, port: {port}}}}}
tenants:
  - {{name: near, namespace: keyed-near, nodes: 1}}
  - {{name: far, namespace: keyed-far, nodes: 1}}
users: [{{name: analyst, role: submitter}}]
"""
# Releases that run with the owner's key: one beside it, one in another tenant's namespace.
COPIES = {"clone": OWNER, "thief": OTHER}
LET_IN = "admitted as node"
Record = Callable[[str, object], None]


@dataclass(frozen=True, slots=True)
class Keyed:
    """A federation of two tenants, and two SuperNodes that hold a copy of the key of one of them."""

    cluster: Cluster
    applied: Applied

    def nodes(self) -> dict[str, NodeRecord]:
        """Return the nodes that the SuperLink knows and has not unregistered, by name."""
        found = list_nodes(load_connection(self.applied.federation.connection()))
        return {node.name: node for node in found if node.status != "unregistered"}

    def inside(self) -> list[str]:
        """Return which copies the SuperLink has let in and hears from."""
        return [name for name, space in COPIES.items() if ready(self.cluster, space, f"{name}-0")]

    def said(self, copy: str) -> str:
        """Return a copy's log, its earlier container's as well."""
        where = (COPIES[copy], f"{copy}-0", "supernode")
        return self.cluster.log(*where, "--previous") + self.cluster.log(*where)

    def address(self, namespace: str, pod: str) -> str:
        """Return a pod's address."""
        return str(self.cluster.get("pod", pod, "-n", namespace)["status"]["podIP"])

    def clients(self, key: str) -> set[str]:
        """Return from which addresses the gateway was called with a key, by the key's fingerprint."""
        log = self.cluster.log(SPACE, "keyed-superlink-0", "gateway")
        calls = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        return {call["client"] for call in calls if call.get("node") == key}

    def train(self, rounds: int) -> list[set[str]]:
        """Run an app on both nodes; return who answered, by round."""
        with running(self.applied.federation, rounds=rounds, work=1.0, nodes=2) as run:
            outcome = run.end()
        assert outcome["status"] == "completed", outcome
        told = run.told("ROUND")
        assert all(one["asked"] == len(one["answered"]) == 2 for one in told), rounds_of(run)  # type: ignore[arg-type]
        return [set(one["answered"]) for one in told]  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def keyed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    """Apply a federation; then start the copies, which have to ask like everybody else."""
    with cluster.namespaces(SPACE, OWNER, OTHER):
        text = TEXT.format(host=cluster.address, port=CONTROL)
        applied = Applied(tmp_path_factory.mktemp("keyed"), text, cluster.environment)
        applied.run("apply")
        tenant = applied.federation.bundles / "tenants" / "near"
        key = key_of(tenant / "secrets.yaml")
        for name, space in COPIES.items():
            cluster.apply(secret(space, {f"{name}-0": key}))
            values = ("--values", tenant / "values.yaml", "--set", "keys.existingSecret=stolen")
            cluster.helm("install", name, CHARTS / "supernode", "-n", space, *values)
        yield Keyed(cluster, applied)


def key_of(file: Any) -> str:  # noqa: ANN401
    """Return the owner's private key from its bundle, as a Secret's base64."""
    for found in yaml.safe_load_all(file.read_text()):
        if text := found.get("stringData", {}).get(NODE):
            return base64.b64encode(text.encode()).decode()
        if data := found.get("data", {}).get(NODE):
            return str(data)
    raise AssertionError(f"{file} has no key of {NODE}")


def secret(namespace: str, data: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "stolen", "namespace": namespace},
        "data": data,
    }


def test_a_copied_key_is_no_second_node(keyed: Keyed) -> None:
    """While its owner is online a copy waits, wherever it runs; every round is answered once by each node."""
    for name, space in COPIES.items():
        keyed.cluster.wait(f"{name} asking", lambda name=name: "waiting: not admitted" in keyed.said(name))
        assert not ready(keyed.cluster, space, f"{name}-0")
    nodes = keyed.nodes()
    assert sorted(nodes) == ["keyed-far-0", NODE]
    assert keyed.train(3) == [{node.node_id for node in nodes.values()}] * 3
    assert keyed.inside() == []
    assert not any(LET_IN in keyed.said(name) for name in COPIES)
    # The gateway's log has everybody who tried with the owner's key, by address.
    tried = keyed.clients(fingerprint(nodes[NODE].public_key.encode()))
    assert {keyed.address(space, f"{name}-0") for name, space in COPIES.items()} < tried


def test_with_the_owner_away_a_copy_is_the_node(keyed: Keyed) -> None:
    """A key is all that a node is known by. How many of those who ask at once get in is a matter of luck:

    a SuperNode that comes second ends, and takes the node offline as it does so (flwr 1.41).
    """
    scale(keyed.cluster, 0)
    keyed.cluster.wait("a copy let in", keyed.inside)
    assert sorted(keyed.nodes()) == ["keyed-far-0", NODE]
    scale(keyed.cluster, 1)


def test_a_new_key_shuts_every_copy_out(keyed: Keyed, record_property: Record) -> None:
    """`rotate key` gives the owner a key that nobody else has: it is back, the copies are out for good."""
    before = keyed.nodes()[NODE]
    keyed.applied.run("rotate", "key", "near")
    keyed.applied.run("apply")
    out = wait_until("the copies out", lambda: not keyed.inside(), 120)
    record_property("out", f"{out:.1f} s after apply had ended")
    after = keyed.nodes()
    assert after[NODE].node_id != before.node_id
    assert after[NODE].public_key != before.public_key
    assert {node.status for node in after.values()} == {"online"}
    assert keyed.train(2) == [{node.node_id for node in after.values()}] * 2
    assert keyed.inside() == []
    for name in COPIES:
        assert keyed.said(name).splitlines()[-1].startswith("supernode: waiting: not admitted")


def scale(cluster: Cluster, replicas: int) -> None:
    """Set how many of the owner's SuperNodes run; return when the one before is gone."""
    cluster.kubectl("scale", "statefulset", "keyed-near", "-n", OWNER, f"--replicas={replicas}")
    if not replicas:
        cluster.kubectl("wait", "--for=delete", f"pod/{NODE}", "-n", OWNER, "--timeout=60s")
