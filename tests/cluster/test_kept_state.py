"""What stays when the SuperLink's chart, machine or storage changes; and what all of it takes of memory.

The machines of a built cluster share their disks, so a volume follows its pod, as network storage would. A
SuperLink whose volume is bound to one machine waits for that machine when it is drained.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import bare_flower
import pytest
from absence import absence, online
from earlier_version import EARLIER, earlier_charts
from followed_runs import ready, rounds_of, running, wait_until
from harness.built import BuiltCluster
from harness.cluster import Cluster
from kept_federation import SPACE, TENANT, ask, command, identity, nodes, pods, runs, uids
from machines import drained, filled, machine_of, place
from memory_use import MEGABYTE, settled, total
from parties import Federation, declare

CONTROL = 31593
SUPERLINK = "lasting-superlink-0"
SUPEREXEC = "app.kubernetes.io/component=superexec"
CLAIM = "lasting-superlink-state"
FULL = "database or disk is full"
BULK = 2_000_000  # bytes of a message: more than the database has room for without growing
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def federation(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Install a SuperLink with 32 MiB of storage and two nodes, from the earlier charts."""
    if not cluster.built:
        pytest.skip("faults are only for clusters that are built here")
    with cluster.namespaces(SPACE, TENANT):
        declared = declare(
            tmp_path_factory.mktemp("lasting"),
            f"""
version: 1
name: lasting
superlink:
  namespace: {SPACE}
  exposure: {{control: {{type: node-port, host: {cluster.address}, port: {CONTROL}}}}}
  storage: {{size: 32Mi, class: limited}}
tenants: [{{name: near, namespace: {TENANT}, nodes: 2}}]
users: [{{name: analyst, role: submitter}}]
""",
            {"": cluster.environment},
        )
        declared.install(earlier_charts(tmp_path_factory.mktemp("earlier")))
        yield declared


def test_an_upgrade_and_a_rollback_keep_runs_and_nodes(
    federation: Federation, cluster: BuiltCluster, record_property: Record
) -> None:
    """Both in the middle of one run, which completes; the claim, the nodes' ids and the runs stay.

    All pods but the SuperExec's are replaced both times: it is unchanged, and holds the ServerApp.
    """
    parties = (federation.coordinator, *federation.tenants)
    known = identity(nodes(federation))
    claim, database = cluster.get("pvc", CLAIM, "-n", SPACE)["metadata"]["uid"], cluster.volume(SPACE, CLAIM)
    inode = (database / "state.db").stat().st_ino
    # Enough rounds that the rollback is in the middle of them, too.
    settings = {"rounds": 11, "work": 2.0, "nodes": 2, "patience": 20.0}
    with running(federation, **settings) as run, absence(federation) as away:
        run.wait_for("BEGIN", 2)
        before = uids(cluster)
        federation.install()
        upgraded = uids(cluster)
        assert charts(cluster) != {EARLIER}
        assert cluster.get("poddisruptionbudgets", "-n", TENANT)["items"]
        reached = len(run.told("BEGIN"))
        # Between the two the ServerApp must have been heard of; over is over, which is judged below.
        ended = run.process.poll
        wait_until("the next round", lambda: len(run.told("BEGIN")) > reached or ended() is not None, 120)
        for party in parties:
            cluster.helm("rollback", party.release, "-n", party.namespace, "--wait", "--timeout", "5m")
        rolled_back = uids(cluster)
        assert charts(cluster) == {EARLIER}
        assert not cluster.get("poddisruptionbudgets", "-n", TENANT)["items"]
        outcome = run.end()
    for earlier, later in ((before, upgraded), (upgraded, rolled_back)):
        stayed = {name for name, uid in earlier.items() if later.get(name) == uid}
        assert all("superexec" in name for name in stayed), stayed
        assert any("superexec" in name for name in stayed), later
    assert identity(nodes(federation)) == known
    assert [one.run_id for one in runs(federation)] == [outcome["run_id"]]
    assert cluster.get("pvc", CLAIM, "-n", SPACE)["metadata"]["uid"] == claim
    assert (database / "state.db").stat().st_ino == inode
    record_property("rounds", away.judge(federation, run, outcome, 2))
    federation.install()


def charts(cluster: Cluster) -> set[str]:
    """Return the versions of the charts whose releases are installed."""
    found = [one for space in (SPACE, TENANT) for one in cluster.get("statefulsets", "-n", space)["items"]]
    return {one["metadata"]["labels"]["helm.sh/chart"].rpartition("-")[2] for one in found}


def test_a_drained_machine_costs_no_run(
    federation: Federation, cluster: BuiltCluster, record_property: Record
) -> None:
    """The SuperLink and a node move to the other machine in the middle of a run, which completes.

    The SuperExec is on the other machine: no ServerApp is resumed, so a drain that takes it ends the run.
    """
    machine = machine_of(cluster, TENANT, "apps.kubernetes.io/pod-index=0")
    other = next(name for name in cluster.nodes if name != machine)
    place(cluster, SPACE, SUPEREXEC, other)
    place(cluster, SPACE, "app.kubernetes.io/component=superlink", machine)
    wait_until("both nodes online", lambda: online(federation) == 2, 120)
    known, before = identity(nodes(federation)), [one.run_id for one in runs(federation)]
    settings = {"rounds": 6, "work": 2.0, "nodes": 2, "patience": 20.0}
    with running(federation, **settings) as run, absence(federation) as away:
        run.wait_for("BEGIN", 2)
        started = time.monotonic()
        with drained(cluster, machine):
            emptied = time.monotonic() - started
            wait_until("the SuperLink elsewhere", lambda: ready(cluster, SPACE, SUPERLINK), 120)
            moved = time.monotonic() - started
            wait_until("both nodes online", lambda: online(federation) == 2, 120)
            back = time.monotonic() - started
            where = {name: pod["spec"]["nodeName"] for name, pod in pods(cluster).items()}
            outcome = run.end()
    record_property(
        "drained", f"in {emptied:.1f} s; SuperLink ready after {moved:.1f} s, nodes online after {back:.1f} s"
    )
    assert set(where.values()) == {other}
    assert identity(nodes(federation)) == known
    assert [one.run_id for one in runs(federation)] == [outcome["run_id"], *before]
    record_property("rounds", away.judge(federation, run, outcome, 2))


def test_a_lost_state_is_put_back(
    federation: Federation, cluster: BuiltCluster, tmp_path: Path, record_property: Record
) -> None:
    """A backup brings back nodes and runs that a SuperLink lost, also after a `restore` was killed."""
    known, before = identity(nodes(federation)), [one.run_id for one in runs(federation)]
    backup = tmp_path / "lasting.backup.tar.gz"
    assert ask(federation, "backup", "--cluster", "--output", backup)[0] == 0
    for file in cluster.volume(SPACE, CLAIM).glob("state.db*"):
        file.unlink()
    cluster.kubectl("delete", "pod", SUPERLINK, "-n", SPACE)
    wait_until("an empty SuperLink", lambda: ready(cluster, SPACE, SUPERLINK), 120)
    wait_until("both nodes online", lambda: online(federation) == 2, 120)
    assert (identity(nodes(federation)) == known, runs(federation)) == (False, [])

    restoring = [*command(federation, "restore"), "--cluster", "--yes", backup]
    with subprocess.Popen(restoring, env=dict(federation.coordinator.environment)) as process:
        wait_until("the SuperLink's end", lambda: not replicas(cluster), 60)
        process.kill()
    code, said = ask(federation, "status")
    assert (code, "is scaled to 0" in said) == (1, True), said

    started = time.monotonic()
    code, said = ask(federation, "restore", "--cluster", "--yes", backup)
    assert code == 0, said
    took = time.monotonic() - started
    # The state says that nodes are online which were so at that time: they themselves know better.
    for node_id, name, _ in known:
        own_id = f"SuperNode ID: {node_id}"
        wait_until(own_id, partial(says, cluster, name, own_id), 120)
    back = time.monotonic() - started
    record_property("restored", f"in {took:.1f} s; nodes back as who they were after {back:.1f} s")
    assert (identity(nodes(federation)), [one.run_id for one in runs(federation)]) == (known, before)
    assert "lasting-superlink-restore" not in pods(cluster)
    with running(federation, rounds=2, work=1.0, nodes=2, patience=60.0) as run:
        assert run.end()["status"] == "completed"
    assert all(len(told["answered"]) == 2 for told in run.told("ROUND"))  # type: ignore[arg-type]


def says(cluster: Cluster, node: str, words: str) -> bool:
    """Return whether a SuperNode has said something since its container started."""
    return words in cluster.log(TENANT, node, "supernode")


def replicas(cluster: Cluster) -> int:
    """Return how many SuperLinks are wanted."""
    return int(cluster.get("statefulset", "lasting-superlink", "-n", SPACE)["spec"]["replicas"])


def test_full_storage_costs_a_run_at_most(
    federation: Federation, cluster: BuiltCluster, record_property: Record
) -> None:
    """Whether a run outlives it is Flower's affair: it says what it could not store, or waits (flwr 1.41).

    With room again all nodes take part in the next run, and no pod was replaced.
    """
    before = uids(cluster)
    with running(federation, rounds=3, work=6.0, nodes=2, patience=60.0, bulk=BULK) as run:
        run.wait_for("BEGIN", 1)
        with filled(cluster.volume(SPACE, CLAIM)):
            wait_until("a full database", lambda: FULL in superlink_log(cluster), 60)
            time.sleep(5)
        outcome = run.end()
    record_property("run", f"{outcome['status']} {outcome['reason']}; rounds: {rounds_of(run)}")
    assert outcome["status"] == "completed" or (outcome["status"] == "failed" and outcome["reason"]), outcome
    with running(federation, rounds=2, work=1.0, nodes=2, patience=60.0, bulk=BULK) as run:
        outcome = run.end()
    record_property("next run", rounds_of(run))
    assert outcome["status"] == "completed", outcome
    assert all(len(told["answered"]) == 2 for told in run.told("ROUND"))  # type: ignore[arg-type]
    assert uids(cluster) == before


def superlink_log(cluster: Cluster) -> str:
    """Return the log of the SuperLink's pod as it is now."""
    return cluster.log(SPACE, SUPERLINK, "superlink", "--tail", "400")


def test_full_storage_is_named(federation: Federation, cluster: BuiltCluster) -> None:
    """`status` and `doctor` say what is wrong, and are content when room was made."""
    with filled(cluster.volume(SPACE, CLAIM)):
        for verb in ("status", "doctor"):
            code, said = ask(federation, verb)
            assert (code, "the SuperLink's volume is 100% full" in said) == (1, True), said
    wait_until("both nodes online", lambda: online(federation) == 2, 60)
    wait_until("a healthy federation", lambda: ask(federation, "status")[0] == 0, 120)
    code, said = ask(federation, "doctor")
    assert (code, "% full" in said, "100% full" in said) == (0, True, False), said


def test_what_flowerbed_adds_to_flower_is_small(
    federation: Federation, cluster: BuiltCluster, record_property: Record
) -> None:
    """Of memory that cannot be dropped: under 60 MB for a SuperLink, under 25 MB for a SuperNode, both idle.

    Bare Flower stands beside it in a pod of its own, with TLS, the same image and an idle SuperExec.
    """
    cluster.kubectl("delete", "pod", SUPERLINK, "-n", SPACE)
    cluster.kubectl("delete", "pod", "-n", TENANT, "-l", "app.kubernetes.io/component=supernode")
    cluster.apply(bare_flower.pod("bare", SPACE, "lasting-superlink-files"))
    for space, name in ((SPACE, SUPERLINK), (SPACE, "bare"), (TENANT, "lasting-near-0")):
        wait_until(name, partial(ready, cluster, space, name), 180)
    wait_until("both nodes online", lambda: online(federation) == 2, 120)
    bare = settled(cluster, SPACE, "bare")
    superlink = settled(cluster, SPACE, SUPERLINK)
    supernode = settled(cluster, TENANT, "lasting-near-0")
    for name, uses in (("bare", bare), ("superlink pod", superlink), ("supernode pod", supernode)):
        for container, use in uses.items():
            record_property(f"{name}: {container}", str(use))
    added = {
        "SuperLink": (total(superlink.values()).held - bare["superlink"].held, 60),
        "SuperNode": (total(supernode.values()).held - bare["supernode"].held, 25),
    }
    for name, (much, limit) in added.items():
        record_property(f"added to a bare {name}", f"{much / MEGABYTE:.1f} MB of {limit} MB")
    assert all(much < limit * MEGABYTE for much, limit in added.values()), added
