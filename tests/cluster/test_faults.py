"""What breaks under a run, and what must hold: the run goes on, nodes are back in seconds, losses are told.

Each case records what it measured; the summary at the end lists it.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness.built import BuiltCluster
from harness.cluster import Cluster
from parties import FLOWERBED, Federation, declare

APP = Path(__file__).with_name("rounds_app")
CONTROL = 31393
SUPERLINK = "brittle-superlink-0"
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def federation(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Install a SuperLink and three nodes of two tenants."""
    if not cluster.built:
        pytest.skip("faults are only for clusters that are built here")
    with cluster.namespaces("brittle", "brittle-near", "brittle-far"):
        declared = declare(
            tmp_path_factory.mktemp("brittle"),
            f"""
version: 1
name: brittle
superlink:
  namespace: brittle
  exposure: {{control: {{type: node-port, host: {cluster.address}, port: {CONTROL}}}}}
tenants:
  - {{name: near, namespace: brittle-near, nodes: 2}}
  - {{name: far, namespace: brittle-far, nodes: 1, isolation: process, executor: sidecar}}
users: [{{name: analyst, role: submitter}}]
""",
            {"": cluster.environment},
        )
        declared.install()
        yield declared


class Run:
    """A run that is being followed: its narration so far, and what it ended with."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        assert process.stderr
        self.reader = threading.Thread(target=self.lines.extend, args=(process.stderr,), daemon=True)
        self.reader.start()

    def told(self, kind: str) -> list[dict[str, object]]:
        """Return what the app has logged so far as lines of a kind: BEGIN or ROUND."""
        found = (re.search(rf"{kind} (\{{.*\}})", line) for line in list(self.lines))
        return [json.loads(match[1]) for match in found if match]

    def wait_for(self, kind: str, number: int, seconds: float = 120) -> None:
        """Wait until round `number` begins (BEGIN) or has ended (ROUND)."""
        end = time.monotonic() + seconds
        while not any(told["round"] == number for told in self.told(kind)):
            assert self.process.poll() is None, "".join(self.lines)
            assert time.monotonic() < end, (
                f"no {kind} {number} within {seconds} s:\n{''.join(self.lines[-30:])}"
            )
            time.sleep(0.05)

    def end(self, seconds: float = 400) -> dict[str, object]:
        """Wait for the run's end; return its outcome."""
        out = self.process.stdout.read() if self.process.stdout else ""
        self.process.wait(seconds)
        self.reader.join(10)
        return dict(json.loads(out.splitlines()[-1]))


@contextmanager
def running(federation: Federation, **config: object) -> Iterator[Run]:
    """Submit the app and follow it; a follower that is left over is ended."""
    settings = [word for key, value in config.items() for word in ("--set", f"{key}={value}")]
    command = [
        FLOWERBED,
        "submit",
        APP,
        "--connection",
        federation.connection(),
        "--json",
        "--timeout",
        "6m",
        *settings,
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        run = Run(process)
        try:
            yield run
        finally:
            process.terminate()
            process.wait(60)
            run.reader.join(10)


def rounds_of(run: Run) -> str:
    """Return a run's rounds as a table: answered of asked, and the seconds."""
    told = run.told("ROUND")
    return "; ".join(
        f"{one['round']}: {len(one['answered'])}/{one['asked']} in {one['seconds']} s" for one in told
    )  # type: ignore[arg-type]


def wait_until(what: str, condition: Callable[[], object], seconds: float) -> float:
    """Ask until the answer is true; return how long that took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.1)
    return time.monotonic() - started


def ready(cluster: Cluster, namespace: str, pod: str) -> bool:
    """Tell whether a pod is there and ready."""
    found = cluster.get("pods", "-n", namespace)["items"]
    statuses = [
        one["status"]
        for one in found
        if one["metadata"]["name"] == pod and "deletionTimestamp" not in one["metadata"]
    ]
    conditions = {one["type"]: one["status"] for status in statuses for one in status.get("conditions", [])}
    return conditions.get("Ready") == "True"


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
    federation: Federation, cluster: BuiltCluster, record_property: Record
) -> None:
    """The container alone is killed at work: the node is online in a fraction of bare Flower's time.

    Flower alone keeps the node's key locked until its last heartbeat is out of date: 58 s were measured.
    """
    with running(federation, rounds=4, work=3.0, nodes=3) as run:
        run.wait_for("BEGIN", 1)
        time.sleep(1)
        before = restarts(cluster)
        cluster.kill("brittle-near", "brittle-near-0", "supernode")
        wait_until("the container's new start", lambda: restarts(cluster) > before, 60)
        back = wait_until("the node online", lambda: ready(cluster, "brittle-near", "brittle-near-0"), 60)
        outcome = run.end()
    record_property("back", f"online {back:.1f} s after the container's start; rounds: {rounds_of(run)}")
    assert outcome["status"] == "completed", outcome
    assert back < 58 / 2
    assert len(run.told("ROUND")[-1]["answered"]) == 3  # type: ignore[arg-type]


def restarts(cluster: Cluster) -> int:
    """Return how often the container supernode of brittle-near-0 was started again and runs."""
    statuses = cluster.get("pod", "brittle-near-0", "-n", "brittle-near")["status"]["containerStatuses"]
    (found,) = [one for one in statuses if one["name"] == "supernode"]
    return int(found["restartCount"]) if "running" in found["state"] else 0


def test_a_killed_superexec_costs_one_answer(
    federation: Federation, cluster: BuiltCluster, record_property: Record
) -> None:
    """A SuperExec that dies takes its ClientApp along: the run completes, and later rounds are full again."""
    with running(federation, rounds=4, work=2.0, nodes=3, patience=30.0) as run:
        run.wait_for("BEGIN", 2)
        time.sleep(1)
        cluster.kill("brittle-far", "brittle-far-0", "superexec")
        outcome = run.end()
    record_property("rounds", rounds_of(run))
    assert outcome["status"] == "completed", outcome
    assert len(run.told("ROUND")[-1]["answered"]) == 3  # type: ignore[arg-type]


def test_a_run_needs_no_api_server(
    federation: Federation, cluster: BuiltCluster, record_property: Record
) -> None:
    """Half a minute without Kubernetes' API: every round is full."""
    with running(federation, rounds=8, work=3.0, nodes=3) as run:
        run.wait_for("BEGIN", 1)
        with cluster.without("kube-apiserver"):
            time.sleep(30)
        outcome = run.end()
    record_property("rounds", rounds_of(run))
    assert outcome["status"] == "completed", outcome
    assert all(len(told["answered"]) == 3 for told in run.told("ROUND"))  # type: ignore[arg-type]


@pytest.mark.parametrize("seconds", [5, 30, 90])
def test_a_cut_between_tenant_and_superlink_heals(
    seconds: int, federation: Federation, cluster: BuiltCluster, record_property: Record
) -> None:
    """The packets of one node are dropped for a while: the run completes, and then the node answers again."""
    addresses = [
        cluster.get("pod", pod, "-n", space)["status"]["podIP"]
        for pod, space in ((SUPERLINK, "brittle"), ("brittle-far-0", "brittle-far"))
    ]
    with running(federation, rounds=3, work=2.0, nodes=3, patience=20.0) as run:
        run.wait_for("BEGIN", 1)
        with cluster.cut(addresses[0], addresses[1]):
            time.sleep(seconds)
        healed = wait_until("the node online", lambda: ready(cluster, "brittle-far", "brittle-far-0"), 120)
        outcome = run.end()
    record_property("cut", f"for {seconds} s, ready {healed:.1f} s after; rounds: {rounds_of(run)}")
    assert outcome["status"] == "completed", outcome
    with running(federation, rounds=1, work=0.5, nodes=3) as run:
        assert run.end()["status"] == "completed"
    assert len(run.told("ROUND")[-1]["answered"]) == 3  # type: ignore[arg-type]
