"""The nodes' public keys: which parties have a node that was revoked."""

from __future__ import annotations

from pathlib import Path

from flowerbed.bundles import read_manifest
from flowerbed.cli import main
from flowerbed.cluster.party import parties
from flowerbed.cluster.programs import Programs
from flowerbed.cluster.session import Cluster
from flowerbed.declaration import load_plan
from flowerbed.kubernetes.node_keys import with_revoked

TEXT = """\
version: 1
name: hospitals
flower: "1.41"
superlink: {namespace: hospitals}
tenants:
  - {name: north, namespace: north, nodes: 2}
users: [{name: analyst, role: submitter}]
"""


def test_a_tenant_with_a_revoked_node_is_known(tmp_path: Path) -> None:
    """Nobody waits for what is never let in again; a new key makes it a tenant like others."""
    federation = tmp_path / "federation.yaml"
    federation.write_text(TEXT)
    programs = Programs(helm="helm", kubectl="kubectl")
    plan, bundles = load_plan(federation), federation.parent / "bundles" / "hospitals"

    def out(*words: str) -> dict[str, frozenset[str]]:
        assert main.run([*words, "-f", str(federation)]) == 0
        clusters = [Cluster(programs, party) for party in parties(plan, bundles)]
        found = with_revoked(clusters, plan, read_manifest(plan, bundles), bundles)
        return {cluster.party.name: cluster.party.revoked for cluster in found}

    nobody = {"coordinator": frozenset[str](), "north": frozenset[str]()}
    assert out("generate") == nobody
    assert out("revoke", "node", "north/1") == {**nobody, "north": {"hospitals-north-1"}}
    assert out("rotate", "key", "north/1") == nobody
