"""What must end or be renewed while a run goes on: a certificate, and a tenant's part in the federation."""

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from followed_runs import rounds_of, running, wait_until
from harness.cluster import Cluster
from parties import FLOWERBED, Federation, declare

from flowerbed.runs import list_nodes, load_connection

CONTROL = 31493
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def federation(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Install a SuperLink and two tenants of one node each."""
    with cluster.namespaces("turning", "turning-stays", "turning-leaves"):
        declared = declare(
            tmp_path_factory.mktemp("turning"),
            f"""
version: 1
name: turning
superlink:
  namespace: turning
  exposure: {{control: {{type: node-port, host: {cluster.address}, port: {CONTROL}}}}}
tenants:
  - {{name: stays, namespace: turning-stays, nodes: 1}}
  - {{name: leaves, namespace: turning-leaves, nodes: 1}}
users: [{{name: analyst, role: submitter}}]
""",
            {"": cluster.environment},
        )
        declared.install()
        # The first apply hands the pods the annotations that the commands of INSTALL.md know nothing of.
        flowerbed(declared, "apply")
        yield declared


def flowerbed(federation: Federation, *arguments: str) -> str:
    """Run a command on the declaration, against its cluster."""
    declaration = federation.bundles.parent.parent / "federation.yaml"
    done = subprocess.run(
        [FLOWERBED, *arguments, "--file", declaration],
        env=dict(federation.coordinator.environment),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def online(federation: Federation) -> int:
    """Return how many nodes the SuperLink sees online."""
    nodes = list_nodes(load_connection(federation.connection()))
    return sum(node.status == "online" for node in nodes)


def test_a_certificate_is_renewed_without_a_failed_round(
    federation: Federation, cluster: Cluster, record_property: Record
) -> None:
    """The gateway shows the new certificate, in the same pod, and every round of the run is full."""

    def shown() -> str:
        return ssl.get_server_certificate((cluster.address, CONTROL), timeout=10)

    def pod() -> str:
        return str(cluster.get("pod", "turning-superlink-0", "-n", "turning")["metadata"]["uid"])

    before, uid = shown(), pod()
    with running(federation, rounds=5, work=2.0, nodes=2) as run:
        run.wait_for("BEGIN", 1)
        started = time.monotonic()
        flowerbed(federation, "rotate", "certificate", "--server")
        flowerbed(federation, "apply", "--party", "coordinator")
        wait_until("the new certificate", lambda: shown() != before, 120)
        record_property("renewed", f"shown {time.monotonic() - started:.1f} s after the first command")
        outcome = run.end()
    record_property("rounds", rounds_of(run))
    assert outcome["status"] == "completed", outcome
    assert all(len(told["answered"]) == 2 for told in run.told("ROUND"))  # type: ignore[arg-type]
    assert pod() == uid


def test_a_revoked_tenant_is_out_in_the_middle_of_a_run(
    federation: Federation, record_property: Record
) -> None:
    """Its node goes offline for good while the run goes on with the other one."""
    assert online(federation) == 2
    with running(federation, rounds=6, work=1.0, nodes=1, patience=20.0) as run:
        run.wait_for("BEGIN", 2)
        started = time.monotonic()
        flowerbed(federation, "revoke", "tenant", "leaves")
        flowerbed(federation, "apply", "--party", "coordinator")
        applied = time.monotonic() - started
        wait_until("one node left", lambda: online(federation) == 1, 120)
        record_property("out", f"{time.monotonic() - started:.1f} s after revoke; applied at {applied:.1f} s")
        outcome = run.end()
    record_property("rounds", rounds_of(run))
    assert outcome["status"] == "completed", outcome
    assert run.told("ROUND")[-1]["asked"] == 1
    # The SuperNode itself goes on asking, and is refused for good.
    time.sleep(5)
    assert online(federation) == 1
