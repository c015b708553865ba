"""What is renewed, replaced or ended while a run goes on: a certificate, the CA, a tenant's part."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from applied import Applied
from followed_runs import Run, rounds_of, running, wait_until
from harness.built import BuiltCluster
from harness.cluster import Cluster
from older_lists import Earlier, Hub, symptoms

from flowerbed.runs import list_nodes, load_connection

CONTROL = 31996
PODS = {
    "turning": "turning-superlink-0",
    "turning-stays": "turning-stays-0",
    "turning-leaves": "turning-leaves-0",
}
TEXT = """
version: 1
name: turning
superlink:
  namespace: turning
  exposure: {{control: {{type: node-port, host: {host}, port: {port}}}}}
tenants:
  - {{name: stays, namespace: turning-stays, nodes: 1}}
  - {{name: leaves, namespace: turning-leaves, nodes: 1}}
users: [{{name: analyst, role: submitter}}, {{name: watcher, role: viewer}}]
"""
KEY_DIGITS = 64  # a revoked key is listed by its SHA-256 in hexadecimal
# Seconds from the list in the cluster to a node that is out: under 5 on a quiet machine, which CI's is not.
SLOWEST = 15.0
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def applied(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    """Apply a SuperLink and two tenants of one node each."""
    with cluster.namespaces(*PODS):
        text = TEXT.format(host=cluster.address, port=CONTROL)
        found = Applied(tmp_path_factory.mktemp("turning"), text, cluster.environment)
        found.run("apply")
        yield found


@pytest.fixture(scope="module")
def earlier(applied: Applied, tmp_path_factory: pytest.TempPathFactory) -> Earlier:
    """Keep what the federation was before anything is revoked."""
    return Earlier.keep(applied, tmp_path_factory.mktemp("earlier"))


def online(applied: Applied) -> int:
    """Return how many nodes the SuperLink sees online."""
    nodes = list_nodes(load_connection(applied.federation.connection()))
    return sum(node.status == "online" for node in nodes)


def shown(cluster: Cluster, authority: Path | None = None) -> str:
    """Return the gateway's certificate; raise SSLCertVerificationError unless `authority` signed it."""
    trusted = str(authority) if authority else None
    return ssl.get_server_certificate((cluster.address, CONTROL), ca_certs=trusted, timeout=10)


def pods(cluster: Cluster) -> list[str]:
    """Return the uids of the SuperLink's and the nodes' pods: another one is another pod."""
    return [cluster.get("pod", pod, "-n", space)["metadata"]["uid"] for space, pod in PODS.items()]


def assert_full(run: Run, outcome: dict[str, object]) -> None:
    """Assert that the run completed, and that both nodes answered in every round."""
    assert outcome["status"] == "completed", outcome
    assert all(len(told["answered"]) == 2 for told in run.told("ROUND")), rounds_of(run)  # type: ignore[arg-type]


def test_a_certificate_is_renewed_without_a_failed_round(
    applied: Applied, cluster: Cluster, record_property: Record
) -> None:
    """The gateway shows the new certificate, in the same pod, and every round of the run is full."""
    before, same = shown(cluster), pods(cluster)
    with running(applied.federation, rounds=5, work=2.0, nodes=2) as run:
        run.wait_for("BEGIN", 1)
        started = time.monotonic()
        applied.run("rotate", "certificate", "--server")
        applied.run("apply", "--party", "coordinator")
        wait_until("the new certificate", lambda: shown(cluster) != before, 120)
        record_property("renewed", f"shown {time.monotonic() - started:.1f} s after the first command")
        outcome = run.end()
    record_property("rounds", rounds_of(run))
    assert_full(run, outcome)
    assert pods(cluster) == same


def test_the_ca_is_replaced_without_a_failed_round(
    applied: Applied, cluster: Cluster, tmp_path: Path, record_property: Record
) -> None:
    """Once all trust both CAs the new one signs: no pod restarts, no round fails. Then the old one goes."""
    old = applied.federation.bundles / "ca" / "ca.crt"
    kept = tmp_path / "old.crt"
    kept.write_bytes(old.read_bytes())
    applied.run("rotate", "ca")
    applied.run("apply")
    same = pods(cluster)
    with running(applied.federation, rounds=5, work=2.0, nodes=2) as run:
        run.wait_for("BEGIN", 1)
        assert shown(cluster, kept)
        started = time.monotonic()
        applied.run("rotate", "ca", "--distributed")
        applied.run("apply")
        wait_until("a certificate by the new CA", lambda: not signed_by(cluster, kept), 120)
        record_property("new CA", f"shown {time.monotonic() - started:.1f} s after the first command")
        outcome = run.end()
    record_property("rounds", rounds_of(run))
    assert_full(run, outcome)
    assert pods(cluster) == same
    applied.run("rotate", "ca", "--distributed")
    applied.run("apply")
    assert signed_by(cluster, old)
    assert pods(cluster)[1:] != same[1:]
    assert online(applied) == 2


def signed_by(cluster: Cluster, authority: Path) -> bool:
    """Return whether a CA signed what the gateway shows."""
    try:
        return bool(shown(cluster, authority))
    except ssl.SSLCertVerificationError:
        return False


@pytest.mark.usefixtures("earlier")
def test_a_revoked_tenant_is_out_in_the_middle_of_a_run(
    applied: Applied, cluster: Cluster, record_property: Record
) -> None:
    """Its node goes offline for good while the run goes on with the other one; seconds, `apply` included.

    `status` tells that it is still online before, and afterwards that all is as it was asked for.
    """
    assert online(applied) == 2
    with running(applied.federation, rounds=6, work=1.0, nodes=1, patience=20.0) as run:
        run.wait_for("BEGIN", 2)
        applied.run("revoke", "tenant", "leaves")
        problems = [one for one in applied.status(code=1)["findings"] if one["level"] == "problem"]
        assert "node turning-leaves-0 is online, though its key was revoked" in [
            one["what"] for one in problems
        ]
        assert {one["symptom"] for one in problems} >= {"revocations-undone", "lists-differ"}
        with listed(cluster) as times, ThreadPoolExecutor(1) as pool:
            started = time.monotonic()
            applying = pool.submit(applied.run, "apply")
            wait_until("one node left", lambda: online(applied) == 1, 120)
            out = time.monotonic()
            assert "leaves: revoked after" in applying.result()  # and not waited for
        record_property(
            "out",
            f"{out - started:.1f} s after `apply` was called;"
            f" {out - times[0]:.1f} s after the list was in the cluster",
        )
        outcome = run.end()
    record_property("rounds", rounds_of(run))
    assert outcome["status"] == "completed", outcome
    assert out - times[0] < SLOWEST
    assert run.told("ROUND")[-1]["asked"] == 1
    # The SuperNode itself goes on asking, and is refused for good.
    refused = "waiting: not admitted"
    wait_until("the node told", lambda: refused in log(cluster), 60)
    assert online(applied) == 1
    found = applied.status()
    assert findings_of(found) == [("warning", "key-revoked")]


def findings_of(status: dict[str, Any]) -> list[tuple[str, str]]:
    """Return level and symptom of what `status` finds, without the word on tenants' isolation."""
    findings = [one for one in status["findings"] if "isolation" not in one["what"]]
    return [(one["level"], one["symptom"]) for one in findings]


def log(cluster: Cluster) -> str:
    """Return the last words of the tenant that leaves."""
    return cluster.log("turning-leaves", PODS["turning-leaves"], "supernode", "--tail", "3")


@contextmanager
def listed(cluster: Cluster) -> Iterator[list[float]]:
    """Watch meanwhile for the moment in which a revocation comes into the cluster: monotonic times."""
    names = cluster.kubectl("get", "configmaps", "-n", "turning", "-o", "name").split()
    (name,) = [name for name in names if name.endswith("-admission")]
    watch = ["kubectl", "get", name, "-n", "turning", "--watch", "-o", "jsonpath={.data.revoked-keys}{'\\n'}"]
    found: list[float] = []

    def read(lines: Iterable[str]) -> None:
        found.extend(time.monotonic() for line in lines if len(line.strip()) == KEY_DIGITS)

    with (
        subprocess.Popen(watch, env=cluster.environment, stdout=subprocess.PIPE, text=True) as process,
        ThreadPoolExecutor(1) as pool,
    ):
        reading = pool.submit(read, process.stdout or ())
        try:
            yield found
        finally:
            process.terminate()
            reading.result(30)


@pytest.fixture
def hub(applied: Applied, cluster: Cluster) -> Hub:
    """Return the coordinator's side, whose volume this machine can look into."""
    if not isinstance(cluster, BuiltCluster):
        pytest.skip("only volumes of a cluster that is built here are looked into")
    return Hub(applied, cluster, "turning")


def test_a_rollback_lets_no_revoked_user_in(applied: Applied, hub: Hub, earlier: Earlier) -> None:
    """The older lists are in use, and the kept ones count beside them; `status` names each difference.

    While only a viewer is revoked the federation is healthy: it is asked as somebody who counts.
    """
    assert hub.answer("watcher") == "in"
    applied.run("revoke", "user", "watcher")
    applied.run("apply")
    wait_until("the refusal", lambda: hub.refuses("watcher"), 60)
    found = applied.status()
    assert (found["healthy"], findings_of(found)) == (True, [("warning", "key-revoked")])
    assert {one["source"] for one in found["nodes"]} == {"superlink"}
    hub.roll_back(earlier.revision, "watcher")
    assert hub.refuses("watcher")
    assert hub.state_of("turning-leaves-0") == "unregistered"
    problems = [one for one in applied.status(code=1)["findings"] if one["level"] == "problem"]
    assert {one["symptom"] for one in problems} == {"revocations-undone", "lists-differ"}
    told = f"the release was rolled back to revision {earlier.revision}, and its lists with it"
    assert {one["cause"] for one in problems} == {told}
    (undone,) = [one["what"] for one in problems if one["symptom"] == "revocations-undone"]
    assert "user watcher; key " in undone


def test_a_backup_from_before_lets_nobody_in(applied: Applied, hub: Hub, earlier: Earlier) -> None:
    """The state has the revoked node registered: it is unregistered again, though the lists are older."""
    applied.run("restore", "--cluster", "--yes", str(earlier.backup))
    wait_until("the node out", lambda: hub.state_of("turning-leaves-0") == "unregistered", 60)
    assert hub.refuses("watcher")


def test_a_lost_release_is_named_and_lets_nobody_in(
    applied: Applied, hub: Hub, earlier: Earlier, tmp_path: Path
) -> None:
    """Installed from older values on the kept claim; a damaged list starts no pod; without it all get in."""
    hub.cluster.helm("uninstall", hub.release, "-n", hub.space, "--wait")
    lost = [one["what"] for one in applied.status(code=1)["findings"]]
    assert any("but it was: its volume is kept (turning-superlink-state)" in what for what in lost), lost
    users = hub.kept / "users"
    whole = users.read_bytes()
    users.write_bytes(whole[:-1])
    hub.install(earlier.values)
    wait_until("the damage named", lambda: "revocations-damaged" in symptoms(applied), 90)
    users.write_bytes(whole)
    hub.replaced()
    assert hub.refuses("watcher")
    assert symptoms(applied) >= {"revocations-undone", "lists-differ"}
    # The control: it is this list that refuses.
    aside = Path(shutil.move(hub.kept, tmp_path / "revoked"))
    hub.replaced()
    wait_until("the control", lambda: hub.answer("watcher") == "in", 30)
    for file in aside.iterdir():
        (hub.kept / file.name).write_bytes(file.read_bytes())
    applied.run("apply")
    wait_until("the refusal", lambda: hub.refuses("watcher"), 60)
    wait_until("no problem", lambda: symptoms(applied) == set(), 60)
