"""What breaks under a run, and what must hold: the run goes on, nodes are back in seconds, losses are told.

Each case records what it measured; the summary at the end lists it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from applied import Applied
from bare_flower import KilledSuperNode
from followed_runs import ready, rounds_of, running, wait_until
from harness.built import BuiltCluster
from harness.cluster import Cluster
from machines import kill_program
from parties import Federation

CONTROL = 31393
SUPERLINK = "brittle-superlink-0"
BACK = 15.0  # seconds within which a killed SuperNode is back on a busy machine; 6 to 7 were seen
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def applied(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    """Apply a SuperLink and three nodes of two tenants."""
    if not cluster.built:
        pytest.skip("faults are only for clusters that are built here")
    text = f"""
version: 1
name: brittle
superlink:
  namespace: brittle
  exposure: {{control: {{type: node-port, host: {cluster.address}, port: {CONTROL}}}}}
tenants:
  - {{name: near, namespace: brittle-near, nodes: 2}}
  - {{name: far, namespace: brittle-far, nodes: 1, isolation: process, executor: sidecar}}
users: [{{name: analyst, role: submitter}}]
"""
    with cluster.namespaces("brittle", "brittle-near", "brittle-far"):
        found = Applied(tmp_path_factory.mktemp("brittle"), text, cluster.environment)
        found.run("apply")
        yield found


@pytest.fixture(scope="module")
def bare(applied: Applied, cluster: BuiltCluster) -> KilledSuperNode:
    """Start Flower alone, to be killed beside ours."""
    return KilledSuperNode(cluster, "brittle", "brittle-superlink-files")


@pytest.fixture(scope="module")
def federation(applied: Applied) -> Federation:
    """Return what was applied."""
    return applied.federation


def test_a_killed_superlink_costs_no_run(
    federation: Federation, cluster: BuiltCluster, record_property: Record
) -> None:
    """Its pod is killed at five points of a run: as a round begins, at work, as answers come, between."""
    points = {1: ("BEGIN", 0.0), 2: ("BEGIN", 1.5), 3: ("BEGIN", 2.9), 4: ("BEGIN", 3.2), 5: ("ROUND", 0.0)}
    with running(federation, rounds=7, work=3.0, nodes=3) as run:
        for number, (kind, delay) in points.items():
            run.wait_for(kind, number, 300)
            time.sleep(delay)
            cluster.kubectl("delete", "pod", SUPERLINK, "-n", "brittle", "--grace-period=0", "--force")
            away = wait_until("SuperLink back", lambda: ready(cluster, "brittle", SUPERLINK), 90)
            record_property(
                "killed", f"{delay} s after {kind} of round {number}: ready again after {away:.1f} s"
            )
        outcome = run.end()
    record_property("rounds", rounds_of(run))
    assert outcome["status"] == "completed", outcome
    assert len(run.told("ROUND")) == 7


def test_a_killed_supernode_is_back_in_seconds(
    federation: Federation, cluster: BuiltCluster, bare: KilledSuperNode, record_property: Record
) -> None:
    """The container alone is killed at work: the node is online within seconds.

    What it was working on is told to be lost (error 5: it is offline), so that nobody waits for it.
    """
    node = ("brittle-near", "brittle-near-0", "supernode")
    begun = works_begun(cluster, *node)
    with running(federation, rounds=4, work=5.0, nodes=3) as run:
        wait_until("a ClientApp at work", lambda: works_begun(cluster, *node) > begun, 60)
        before = restarts(cluster, *node)
        cluster.kill(*node)
        bare.kill()
        wait_until("the container's new start", lambda: restarts(cluster, *node) > before, 60)
        back = wait_until("the node online", lambda: ready(cluster, "brittle-near", "brittle-near-0"), 60)
        outcome = run.end()
    record_property("back", f"online {back:.1f} s after the container's start; rounds: {rounds_of(run)}")
    assert outcome["status"] == "completed", outcome
    assert [told["failed"] for told in run.told("ROUND")] == [[5], [], [], []]
    assert back < BACK
    assert len(run.told("ROUND")[-1]["answered"]) == 3  # type: ignore[arg-type]


def works_begun(cluster: Cluster, namespace: str, pod: str, container: str) -> int:
    """Return how many rounds a node has begun to work on since its container started."""
    return cluster.log(namespace, pod, container).count("at work")


def restarts(cluster: Cluster, namespace: str, pod: str, container: str) -> int:
    """Return how often a container that runs was started again; 0 while it does not run."""
    statuses = cluster.get("pod", pod, "-n", namespace)["status"]["containerStatuses"]
    (found,) = [one for one in statuses if one["name"] == container]
    return int(found["restartCount"]) if "running" in found["state"] else 0


def test_a_killed_superexec_costs_one_answer(
    federation: Federation, cluster: BuiltCluster, record_property: Record
) -> None:
    """A SuperExec that dies takes its ClientApp along: the run completes, and later rounds are full again."""
    with running(federation, rounds=4, work=2.0, nodes=3, patience=60.0) as run:
        run.wait_for("BEGIN", 2)
        time.sleep(1)
        cluster.kill("brittle-far", "brittle-far-0", "superexec")
        outcome = run.end()
    record_property("rounds", rounds_of(run))
    assert outcome["status"] == "completed", outcome
    assert len(run.told("ROUND")[-1]["answered"]) == 3  # type: ignore[arg-type]


def test_a_bare_supernode_is_away_for_much_longer(bare: KilledSuperNode, record_property: Record) -> None:
    """Flower alone keeps a killed node's key locked until its last heartbeat is out of date."""
    away = bare.away()
    record_property("bare Flower", f"online {away:.1f} s after it was killed and started again")
    assert away > 2 * BACK


def test_a_killed_clientapp_costs_one_answer(
    federation: Federation, cluster: BuiltCluster, record_property: Record
) -> None:
    """A ClientApp that dies at work is told after a minute (error 8: it crashed); its node works on."""
    node = ("brittle-near", "brittle-near-0", "supernode")
    before = works_begun(cluster, *node)
    with running(federation, rounds=3, work=5.0, nodes=3, patience=150.0) as run:
        run.wait_for("ROUND", 1)
        wait_until("a ClientApp at work", lambda: works_begun(cluster, *node) == before + 2, 60)
        assert kill_program(cluster, *node, "flwr-clientapp")
        outcome = run.end()
    record_property("rounds", rounds_of(run))
    assert outcome["status"] == "completed", outcome
    assert [told["failed"] for told in run.told("ROUND")] == [[], [8], []]


def test_a_run_needs_no_api_server(
    federation: Federation, cluster: BuiltCluster, record_property: Record
) -> None:
    """Half a minute without Kubernetes' API: every round is full."""
    with running(federation, rounds=5, work=3.0, nodes=3) as run:
        run.wait_for("BEGIN", 1)
        with cluster.without("kube-apiserver"):
            time.sleep(30)
        outcome = run.end()
    record_property("rounds", rounds_of(run))
    assert outcome["status"] == "completed", outcome
    assert all(len(told["answered"]) == 3 for told in run.told("ROUND"))  # type: ignore[arg-type]


def addresses(cluster: Cluster) -> tuple[str, str]:
    """Return the addresses of the SuperLink and of the far node."""
    here, there = (
        cluster.get("pod", pod, "-n", space)["status"]["podIP"]
        for pod, space in ((SUPERLINK, "brittle"), ("brittle-far-0", "brittle-far"))
    )
    return here, there


def symptoms(applied: Applied, party: str) -> set[str]:
    """Return the troubles of a party that `status` tells now."""
    return {one["symptom"] for one in applied.status("--party", party, code=None)["findings"]}


@pytest.mark.parametrize("seconds", [5, 30])
def test_a_cut_between_tenant_and_superlink_heals(
    seconds: int, federation: Federation, cluster: BuiltCluster, record_property: Record
) -> None:
    """The packets of one node are dropped for a while: the run completes, and then the node answers again."""
    with running(federation, rounds=3, work=2.0, nodes=3, patience=60.0) as run:
        run.wait_for("BEGIN", 1)
        with cluster.cut(*addresses(cluster)):
            time.sleep(seconds)
        healed = wait_until("the node online", lambda: ready(cluster, "brittle-far", "brittle-far-0"), 120)
        outcome = run.end()
    record_property("cut", f"for {seconds} s, ready {healed:.1f} s after; rounds: {rounds_of(run)}")
    assert outcome["status"] == "completed", outcome
    assert len(run.told("ROUND")[-1]["answered"]) == 3  # type: ignore[arg-type]


def test_a_long_cut_costs_one_round_one_answer(
    applied: Applied, federation: Federation, cluster: BuiltCluster, record_property: Record
) -> None:
    """For 90 s a node's packets are dropped, and the registrar is killed meanwhile: one answer is missing.

    After a minute the SuperLink answers in the node's place (error 5: it is offline), and `status` tells what
    the node has lost. Then all answer again, and nobody had to do anything.
    """
    with running(federation, rounds=3, work=5.0, nodes=3, patience=150.0) as run:
        run.wait_for("BEGIN", 2)
        with cluster.cut(*addresses(cluster)):
            started = time.monotonic()
            before = restarts(cluster, "brittle", SUPERLINK, "registrar")
            cluster.kill("brittle", SUPERLINK, "registrar")
            registrar = wait_until(
                "the registrar", lambda: restarts(cluster, "brittle", SUPERLINK, "registrar") > before, 60
            )
            time.sleep(max(0.0, 60 - (time.monotonic() - started)))
            wait_until("status telling it", lambda: "fleet-blocked" in symptoms(applied, "far"), 60)
            told = time.monotonic() - started
            time.sleep(max(0.0, 90 - told))
        healed = wait_until("the node online", lambda: ready(cluster, "brittle-far", "brittle-far-0"), 120)
        outcome = run.end()
    record_property("cut", f"for 90 s, ready {healed:.1f} s after; rounds: {rounds_of(run)}")
    record_property("told", f"fleet-blocked {told:.0f} s after the cut")
    record_property("registrar", f"runs again {registrar:.1f} s after it was killed")
    assert outcome["status"] == "completed", outcome
    first, second, last = run.told("ROUND")
    assert list(second["failed"]) == [5]  # type: ignore[call-overload]
    assert not first["failed"]
    assert not last["failed"]
