"""One declaration over two clusters: the SuperLink in one, tenants in both, by `flowerbed apply`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from applied import Applied
from harness.cluster import Cluster
from parties import DIGITS, HALVES, final_accuracy

FLEET = "fleet.joint.example"  # a name that the clusters' DNS learns, as the load balancer gets its address
CONTROL = 31995
PATIENCE = 300
Clusters = tuple[Cluster, Cluster]
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def joint(clusters: Clusters, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    """Declare three nodes: one beside the SuperLink, two in the other cluster. Nothing is installed yet."""
    hub, away = clusters
    north, south = HALVES
    text = f"""
version: 1
name: joint
superlink:
  namespace: joint
  context: {hub.name}
  exposure:
    fleet: {{type: load-balancer, host: {FLEET}, port: 443}}
    control: {{type: node-port, host: {hub.address}, port: {CONTROL}}}
tenants:
  - {{name: near, namespace: joint-near, nodes: 1, config: {south}}}
  - {{name: far, namespace: joint-far, context: {away.name}, nodes: 2, config: {north}}}
users: [{{name: analyst, role: submitter}}]
"""
    kubeconfigs = f"{hub.kubeconfig}:{away.kubeconfig}"
    environment = {**hub.environment, "KUBECONFIG": kubeconfigs}
    with hub.removed("joint", "joint-near"), away.removed("joint-far"):
        yield Applied(tmp_path_factory.mktemp("joint"), text, environment)


@pytest.fixture(scope="module")
def installed(joint: Applied, clusters: Clusters) -> dict[str, float]:
    """Install as one does with a load balancer: the coordinator, its address into DNS, then everybody."""
    hub = clusters[0]
    started = time.monotonic()
    joint.run("apply", "--party", "coordinator")
    service = hub.get("service", "joint-superlink-fleet", "-n", "joint")
    address = service["status"]["loadBalancer"]["ingress"][0]["ip"]
    for cluster in clusters:
        cluster.add_host(FLEET, address)  # type: ignore[attr-defined]
    coordinator = time.monotonic() - started
    joint.run("apply")
    return {"coordinator": coordinator, "all": time.monotonic() - started}


def test_tenants_of_two_clusters_train_together(
    joint: Applied, installed: dict[str, float], record_property: Record
) -> None:
    """The digits are learned by nodes of both clusters; nodes and user come in by their exposures."""
    for step, seconds in installed.items():
        record_property(f"applied, {step}", f"{seconds:.0f} s")
    started = time.monotonic()
    outcome = joint.federation.submit(
        DIGITS, "--set", "min-nodes=3", "--set", "num-server-rounds=3", "--set", "accuracy-floor=0.9"
    )
    assert (outcome.code, outcome.result["status"]) == (0, "completed"), outcome.narration
    record_property("trained", f"{time.monotonic() - started:.0f} s")
    assert final_accuracy(outcome) > 0.9
    assert "0 failures" in outcome.narration


@pytest.mark.usefixtures("installed")
def test_status_tells_of_both_clusters(joint: Applied, clusters: Clusters) -> None:
    """Each party is looked at in its own cluster; nothing is left for `apply` to change."""
    hub, away = clusters
    found = joint.status()
    assert found["healthy"], found["findings"]
    contexts = {party["party"]: party["context"] for party in found["parties"]}
    assert contexts == {"coordinator": hub.name, "near": hub.name, "far": away.name}
    assert [(node["state"], node["source"]) for node in found["nodes"]] == [("online", "superlink")] * 3
    ways = {endpoint["audience"]: endpoint["how"] for endpoint in found["endpoints"]}
    # This machine's DNS does not know the fleet's name, so that one is seen through the API server.
    assert ways == {"fleet": "port-forward", "control": "dialled"}
    assert "nodes: 3 declared, 3 registered, 3 online" in joint.run("status", "--cluster")
    joint.run("diff")


@pytest.mark.usefixtures("installed")
def test_a_tenant_without_pods_is_told_and_brought_back(joint: Applied, clusters: Clusters) -> None:
    """Scaled to nothing by hand in the other cluster: `status` and `diff` say so, `apply` repairs."""
    away = clusters[1]
    away.kubectl("scale", "statefulset", "joint-far", "--replicas=0", "-n", "joint-far")
    away.kubectl("wait", "--for=delete", "pod/joint-far-0", "pod/joint-far-1", "-n", "joint-far")
    whole, own, other = (
        joint.status(code=1),
        joint.status("--party", "far", code=1),
        joint.status("--party", "near"),
    )
    for found in (whole, own):
        said = [(finding["where"], finding["what"]) for finding in found["findings"]]
        assert [("far", f"node joint-far-{index} has no pod") for index in range(2)] == said[-2:]
    assert other["healthy"]
    assert "repair StatefulSet joint-far" in joint.run("diff", code=1)
    joint.run("diff", "--party", "near")
    joint.run("apply", "--party", "far")
    assert joint.status()["healthy"]


@pytest.mark.usefixtures("installed")
def test_a_cluster_that_does_not_answer_is_told(joint: Applied, clusters: Clusters) -> None:
    """The party in it is a problem with the cluster's context; the others are told as before."""
    away = clusters[1]
    with away.without("kube-apiserver"):  # type: ignore[attr-defined]
        found = joint.status(code=1)
        problems = [finding for finding in found["findings"] if finding["level"] == "problem"]
        assert ["far" in finding["where"] for finding in problems] == [True]
        assert away.name in problems[0]["where"]
        # Its nodes are the SuperLink's as before: they need no API server.
        assert [node["state"] for node in found["nodes"]] == ["online"] * 3
        joint.run("diff", code=3)
    away.wait("the API server", lambda: away.kubectl("get", "--raw", "/readyz", check=False) == "ok", 60)
