"""`flowerbed uninstall`: what goes, what stays, in which order, and what asks first."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from flowerbed.bundles import generate
from flowerbed.cli import main
from flowerbed.cluster.party import parties
from flowerbed.cluster.programs import Programs
from flowerbed.cluster.session import FLOWERBED, MANAGED_BY, Cluster
from flowerbed.declaration import load_plan
from flowerbed.kubernetes.verbs import remaining, uninstall
from flowerbed.kubernetes.verbs.remaining import _counts
from support.cluster_stand_in import StandIn

TEXT = """\
version: 1
name: hospitals
flower: "1.41"
superlink: {namespace: hospitals, context: hub}
tenants:
  - {name: north, namespace: north, context: hub, nodes: 1}
  - {name: south, namespace: south, context: hub, nodes: 1, isolation: process, executor: kubernetes}
users: [{name: analyst, role: submitter}]
"""
RELEASES = ["hospitals-superlink", "hospitals-north", "hospitals-south"]
CLAIM = "persistentvolumeclaim/hospitals-superlink-state"
SECRETS = {
    "hospitals": {"secret/hospitals-superlink-tls", "secret/hospitals-superlink-superexec"},
    "north": {"secret/hospitals-north-node-keys"},
    "south": {"secret/hospitals-south-node-keys", "secret/hospitals-south-superexec"},
}
OWN = {MANAGED_BY: FLOWERBED}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "federation.yaml"
    file.write_text(TEXT)
    plan = load_plan(file)
    generate(plan, tmp_path / "bundles" / "hospitals")
    return file


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """An installed federation whose namespaces `apply` created, with a finished test and a task."""
    found = StandIn(tmp_path / "cluster")
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(uninstall, "POLL_INTERVAL", 0.01)
    monkeypatch.setattr(remaining, "POLL_INTERVAL", 0.01)
    monkeypatch.setattr(remaining, "GARBAGE_COLLECTION_TIMEOUT", 0.05)
    found.change(releases=RELEASES, namespaces=dict.fromkeys(("hospitals", "north", "south"), OWN))
    found.change(namespaces=found.read()["namespaces"] | {"south-tasks": OWN})
    for space, names in SECRETS.items():
        release = "hospitals-superlink" if space == "hospitals" else f"hospitals-{space}"
        found.add(space, "configmap/kube-root-ca.crt", "serviceaccount/default", *names)
        found.add(space, f"pod/{release}-0", f"configmap/{release}", instance=release)
    found.add("hospitals", CLAIM, instance="hospitals-superlink", component="state")
    found.add("north", "pod/hospitals-north-test", instance="hospitals-north", component="test")
    found.add("south-tasks", "pod/task", "secret/task", instance="hospitals-south", component="task")
    return found


@pytest.fixture
def run(file: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the verb; return exit code, standard output and standard error."""

    def ended(*words: str) -> tuple[int, str, str]:
        code = main.run(["uninstall", "-f", str(file), *words])
        return code, *capsys.readouterr()

    return ended


def there(cluster: StandIn) -> set[str]:
    """Return the names of all objects but those that every namespace has."""
    every = {name for objects in cluster.read()["objects"].values() for name in objects}
    return every - {"configmap/kube-root-ca.crt", "serviceaccount/default"}


def bundles(file: Path) -> dict[str, bytes]:
    folder = file.parent / "bundles"
    return {str(each): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_releases_go_and_what_cannot_be_made_again_stays(run: Run, cluster: StandIn, file: Path) -> None:
    """Tenants go before the coordinator; claim, Secrets, namespaces and bundles stay, and are named."""
    before = bundles(file)
    code, out, err = run()
    assert code == 0, err
    removed = [line.split()[2] for line in cluster.calls("helm uninstall")]
    assert (set(removed[:2]), removed[2]) == ({"hospitals-north", "hospitals-south"}, "hospitals-superlink")
    assert all("--wait --timeout 300s" in line for line in cluster.calls("helm uninstall"))
    assert there(cluster) == {CLAIM}.union(*SECRETS.values())
    assert set(cluster.read()["namespaces"]) == {"hospitals", "north", "south", "south-tasks"}
    assert bundles(file) == before
    named = "PersistentVolumeClaim hospitals-superlink-state in hospitals: the SuperLink's runs"
    for line in (
        "coordinator: removed after",
        named,
        "Secret hospitals-south-superexec in south",
        "Namespace south-tasks",
        "flowerbed uninstall --purge",
        "--context hub delete namespace north --ignore-not-found  # with everything in it",
        "keys and bundles stay on this machine",
    ):
        assert line in out
    assert "$ " in err


def test_a_second_run_finds_nothing_and_is_no_error(run: Run, cluster: StandIn) -> None:
    """A release that is not installed is reported; Helm is not asked to remove it."""
    assert run()[0] == 0
    count = len(cluster.calls("helm uninstall"))
    code, out, err = run("--json")
    assert code == 0
    found = json.loads(out)
    assert found["removed"]
    assert {party["result"] for party in found["parties"]} == {"not installed"}
    assert "north: release hospitals-north is not installed" in err
    assert len(cluster.calls("helm uninstall")) == count
    assert (there(cluster), cluster.calls("kubectl delete secret")) == ({CLAIM}.union(*SECRETS.values()), [])


def test_one_party_alone(run: Run, cluster: StandIn) -> None:
    """`--party` touches no other release, and no other namespace is asked about."""
    code, out, _ = run("--party", "north", "--json")
    assert code == 0
    assert [party["party"] for party in json.loads(out)["parties"]] == ["north"]
    assert cluster.read()["releases"] == ["hospitals-superlink", "hospitals-south"]
    assert not [line for line in cluster.calls() if "--namespace south" in line]


def test_pods_that_still_end_are_waited_for(run: Run, cluster: StandIn) -> None:
    """Helm returns before; how many are left is told."""
    cluster.change(lasting=3)
    code, _, err = run("--party", "north")
    assert code == 0
    assert "north: waiting for 1 pod to end" in err


def test_a_pod_that_does_not_end_in_time(run: Run, cluster: StandIn) -> None:
    """Exit 5 with its name; its Secrets and the namespace are left, even with `--purge`."""
    cluster.change(lasting=10_000)
    code, out, _ = run("--party", "north", "--purge", "--yes", "--timeout", "1")
    assert code == 5
    assert "north: not gone after" in out
    assert "pod hospitals-north-0 has not ended within 1 s" in out
    assert SECRETS["north"] <= there(cluster)
    assert "north" in cluster.read()["namespaces"]


def test_the_trouble_of_one_party_is_not_the_others(run: Run, cluster: StandIn) -> None:
    """The other releases are removed; the exit code and the message are those of the failure."""
    cluster.change(broken={"north": "Error: Kubernetes cluster unreachable: Get https://north"})
    code, out, _ = run("--json")
    found = {party["party"]: party for party in json.loads(out)["parties"]}
    assert code == 3
    assert not json.loads(out)["removed"]
    assert {name: party["result"] for name, party in found.items()} == {
        "coordinator": "removed",
        "north": "failed",
        "south": "removed",
    }
    assert "unreachable" in found["north"]["findings"][0]["what"]
    assert cluster.read()["releases"] == ["hospitals-north"]


def test_purge_leaves_nothing_in_the_cluster(run: Run, cluster: StandIn, file: Path) -> None:
    """Claim, Secrets and the namespaces that `apply` created are deleted; the bundles here are not."""
    before = bundles(file)
    code, out, err = run("--purge", "--yes")
    assert code == 0, err
    assert (there(cluster), cluster.read()["namespaces"]) == (set(), {})
    assert bundles(file) == before
    assert "PersistentVolumeClaim hospitals-superlink-state" in out
    assert "these stay in the clusters" not in out
    assert run("--purge", "--yes")[0] == 0


def test_purge_deletes_nobody_elses_objects(run: Run, cluster: StandIn) -> None:
    """A namespace that an admin made stays, as does one that holds something else; both say why."""
    spaces: dict[str, Any] = {**cluster.read()["namespaces"], "north": {"team": "north"}}
    cluster.change(namespaces=spaces)
    cluster.add("south", "secret/own", "persistentvolumeclaim/scans")
    cluster.add("hospitals", "persistentvolumeclaim/other", instance="hospitals-superlink", component="data")
    code, out, _ = run("--purge", "--yes", "--json")
    assert code == 0
    assert there(cluster) == {"secret/own", "persistentvolumeclaim/scans", "persistentvolumeclaim/other"}
    kept = {each["name"]: each for party in json.loads(out)["parties"] for each in party["kept"]}
    assert set(kept) == {"other", "north", "south", "hospitals"}
    assert kept["north"]["what"] == "`flowerbed apply` did not create it"
    assert kept["south"]["what"] == "it also holds secret/own, persistentvolumeclaim/scans"
    assert kept["south"]["command"].endswith("delete namespace south --ignore-not-found")
    assert not kept["other"]["purged"]


@pytest.mark.parametrize("broken", ["kubectl api-resources", "kubectl delete"])
def test_a_namespace_that_cannot_be_judged_stays(broken: str, run: Run, cluster: StandIn) -> None:
    """Where kinds cannot be listed, or a namespace may not be deleted, it stays, which is told."""
    run("--party", "north")
    cluster.add("north")
    state = cluster.read()
    state["objects"]["north"] = {}
    cluster.write(state | {"broken": {broken: "Error from server (Forbidden): no"}})
    code, out, _ = run("--party", "north", "--purge", "--yes")
    assert code == 0
    assert "Namespace north: it could not be deleted: " in out


def test_purge_needs_a_confirmation(run: Run, cluster: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal `--yes` is needed; on one the federation's name; else nothing is touched."""
    code, _, err = run("--purge")
    assert code == 2
    assert "pass --yes to confirm" in err
    answers = iter(["hospital", "hospitals"])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: next(answers))
    code, _, err = run("--purge")
    assert code == 2
    assert "'hospital' is not 'hospitals'" in err
    assert cluster.calls() == []
    assert run("--purge")[0] == 0
    assert there(cluster) == set()


def test_a_dry_run_prints_the_commands_that_run(run: Run, cluster: StandIn) -> None:
    """Nothing is asked of the cluster; afterwards the same commands are run."""
    code, out, _ = run("--purge", "--dry-run")
    assert (code, cluster.calls()) == (0, [])
    printed = {re.sub(r"^\S*/(\w+) --(kube-)?context hub ", r"\1 ", line) for line in out.splitlines()}
    assert run("--purge", "--yes")[0] == 0
    ran = set(cluster.calls("helm uninstall", "kubectl delete"))
    assert printed - ran == set()
    assert {line for line in ran - printed if "/task" not in line and "-test" not in line} == set()
    assert json.loads(run("--dry-run", "--json")[1])["commands"]


def test_cert_managers_secret_is_purged(run: Run, cluster: StandIn, file: Path) -> None:
    """The chart has it written, so it goes as well; a Secret that was declared as existing stays."""
    issuer = "tls: {source: cert-manager, issuer: ca}"
    file.write_text(TEXT.replace("context: hub}\ntenants", f"context: hub, {issuer}}}\ntenants"))
    cluster.add("hospitals", "secret/hospitals-superlink-tls")
    assert run("--party", "coordinator", "--purge", "--yes")[0] == 0
    assert "secret/hospitals-superlink-tls" not in there(cluster)


def test_without_a_bundle_secrets_are_unknown(run: Run, cluster: StandIn, file: Path) -> None:
    """They stay, and a warning says so: uninstalling is no reason to make new keys."""
    (file.parent / "bundles" / "hospitals" / "tenants" / "north").rename(file.parent / "away")
    code, out, _ = run("--party", "north", "--purge", "--yes")
    assert code == 0
    assert "this machine has no bundle of this party" in out
    assert SECRETS["north"] <= there(cluster)
    assert not (file.parent / "bundles" / "hospitals" / "tenants" / "north").exists()


def test_an_unknown_party_is_refused(run: Run, cluster: StandIn) -> None:
    """As by `apply`: exit 2, with those there are."""
    code, _, err = run("--party", "nord")
    assert code == 2
    assert "coordinator, north, south" in err
    assert cluster.calls() == []


def test_an_interruption_starts_nothing_more(
    file: Path, cluster: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C no further party is begun, and the programs are told to end."""
    plan = load_plan(file)
    programs = Programs(helm=cluster.environment["HELM"], kubectl=cluster.environment["KUBECTL"])
    every = [Cluster(programs, party) for party in parties(plan, file.parent / "bundles" / "hospitals")]

    def tell(party: str, text: str) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        uninstall.uninstall_releases(every, purge=True, timeout=5, tell=tell)
    assert "hospitals-superlink" in cluster.read()["releases"]
    with pytest.raises(Exception, match="interrupted"):
        programs.run(["true"])


def test_apply_marks_the_namespaces_that_it_creates(file: Path) -> None:
    """The mark by which `--purge` knows them again is in the command that `apply` runs."""
    plan = load_plan(file)
    (party,) = parties(plan, file.parent, ["north"])
    command = Cluster(Programs(helm="helm", kubectl="kubectl"), party).commands.label_namespace("north")
    assert command[-1] == f"{MANAGED_BY}={FLOWERBED}"


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        ("events", False),
        ("events.events.k8s.io", False),
        ("pods.metrics.k8s.io", False),
        ("pods", True),
        ("certificates.cert-manager.io", True),
    ],
)
def test_events_and_measurements_are_nobodys(kind: str, counts: bool) -> None:
    assert _counts(kind) == counts
