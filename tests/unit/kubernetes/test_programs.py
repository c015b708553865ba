"""helm and kubectl: found or asked for; their complaints told; the commands as INSTALL.md has them."""

from __future__ import annotations

import shlex
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flowerbed.bundles import read_manifest
from flowerbed.cli import main
from flowerbed.declaration import load_plan
from flowerbed.errors import FlowerbedError, UsageError
from flowerbed.kubernetes import programs as programs_module
from flowerbed.kubernetes.node_keys import with_revoked
from flowerbed.kubernetes.parties import Commands, parties
from flowerbed.kubernetes.programs import Done, Programs, complaint, failure, find_programs
from flowerbed.kubernetes.releases import Release
from flowerbed.kubernetes.verbs.changes import _compare, _matters
from flowerbed.values import superlink_install, supernode_install

TEXT = """\
version: 1
name: hospitals
flower: "1.41"
superlink: {namespace: hospitals, context: hub, executor: kubernetes}
tenants:
  - {name: north, namespace: north, context: hub, nodes: 2}
users: [{name: analyst, role: submitter}]
"""
PYTHON = Programs(helm=sys.executable, kubectl=sys.executable)


@pytest.fixture
def federation(tmp_path: Path) -> Path:
    file = tmp_path / "federation.yaml"
    file.write_text(TEXT)
    return file


@pytest.mark.parametrize("verb", ["apply", "diff", "status", "doctor"])
def test_a_missing_program_is_named_with_the_way_to_get_it(
    verb: str, federation: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Helm nothing is tried: exit 2, the program, and where it comes from; and nothing is written."""
    monkeypatch.setenv("HELM", "/nowhere/helm")
    arguments = [verb, "-f", str(federation), *(["--cluster"] if verb == "status" else [])]
    assert main.run(arguments) == 2
    said = capsys.readouterr().err
    assert "/nowhere/helm (from HELM) is not on the PATH" in said
    assert "install Helm 3.22 or newer" in said
    assert [file.name for file in federation.parent.iterdir()] == ["federation.yaml"]


def test_programs_are_those_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HELM and KUBECTL go before the PATH."""
    for name in ("helm", "kubectl"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        monkeypatch.setenv(name.upper(), str(tmp_path / name))
    found = find_programs()
    assert (found.helm, found.kubectl) == (str(tmp_path / "helm"), str(tmp_path / "kubectl"))


def test_status_shows_the_local_federation_where_no_cluster_can_be_asked(
    federation: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever works without a cluster is told of the local federation, and that only that was looked at."""
    monkeypatch.setenv("KUBECTL", "/nowhere/kubectl")
    assert main.run(["status", "-f", str(federation)]) == 1
    said = capsys.readouterr()
    assert "hospitals does not run here; `flowerbed up` starts it" in said.out
    assert "only the local federation is looked at" in said.err
    assert main.run(["status", "-f", str(federation), "--local"]) == 1
    assert main.run(["status", "-f", str(federation), "--local", "--cluster"]) == 2


COMPLAINTS = [
    ('Error: INSTALLATION FAILED: Kubernetes cluster unreachable: Get "https://a:6443"', 3, "API server"),
    (
        "The connection to the server localhost:8080 was refused - did you specify the right host?",
        3,
        "context",
    ),
    ('error: context "hub" does not exist', 3, "get-contexts"),
    ('Error from server (Forbidden): secrets is forbidden: User "t" cannot list', 3, "role `admin`"),
    ("error: You must be logged in to the server (Unauthorized)", 3, "credentials"),
    ("Error: UPGRADE FAILED: execution error at (superlink/templates/x): users: no", 1, ""),
]


@pytest.mark.parametrize(("said", "code", "remedy"), COMPLAINTS)
def test_complaints_become_errors_with_remedies(said: str, code: int, remedy: str) -> None:
    """Unreachable and not allowed end with 3 and say what to do; the rest keeps the program's own words."""
    error = failure(["kubectl"], Done(1, "", said), "north (namespace north)")
    assert (error.exit_code, error.where) == (code, "north (namespace north)")
    assert remedy in error.remedy
    assert not error.what.lower().startswith("error")


def test_warnings_are_no_complaint() -> None:
    """What programs print beside the matter is left out."""
    text = "W1124 12:00:00 x.go:1] deprecated\nWARNING: kubeconfig is group-readable\nError: no such thing\n"
    assert complaint(text) == "no such thing"


def test_a_program_that_does_not_answer_is_ended() -> None:
    """Waiting is bounded, and leaves no process."""
    done = PYTHON.run([sys.executable, "-c", "import time; time.sleep(60)"], seconds=0.2)
    assert (done.code, done.out) == (124, "")


def test_a_program_that_writes_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the limit is held; one that stays below it is read whole, and is given its input."""
    monkeypatch.setattr(programs_module, "LIMIT", 100_000)
    for stream in ("stdout", "stderr"):
        endless = f"import sys\nwhile True: sys.{stream}.write('x' * 1000)"
        done = PYTHON.run([sys.executable, "-c", endless])
        assert (done.code, done.out, done.err) == (124, "", "more than 100,000 characters of output")
    copied = "import sys; sys.stdout.write(sys.stdin.read())"
    assert PYTHON.run([sys.executable, "-c", copied], text="y" * 100_000).out == "y" * 100_000


def test_the_end_reaches_programs_that_run() -> None:
    """After `end` what runs is interrupted as by Ctrl-C, and nothing more is started."""
    programs = Programs(helm="helm", kubectl="kubectl")
    found: list[Done] = []
    code = "import sys, time\ntry:\n time.sleep(60)\nexcept KeyboardInterrupt: sys.exit(7)"
    thread = threading.Thread(target=lambda: found.append(programs.run([sys.executable, "-c", code])))
    thread.start()
    while thread.is_alive():
        programs.end()  # until the program is far enough to hear it
        thread.join(0.1)
    assert found[0].code in {7, -2}
    with pytest.raises(FlowerbedError, match="interrupted"):
        programs.run([sys.executable, "-c", ""])


def test_commands_are_those_of_the_instructions(federation: Path, tmp_path: Path) -> None:
    """What `apply` runs is what INSTALL.md tells to run: same release, namespace, files and context."""
    plan = load_plan(federation)
    texts = {
        "coordinator": superlink_install(plan),
        "north": supernode_install(plan, plan.tenants[0], has_authority=True),
    }
    for party in parties(plan, tmp_path):
        about = Commands(Programs(helm="helm", kubectl="kubectl"), party)
        text = " ".join(texts[party.name].replace("\\\n", " ").split())
        for command in (about.apply_secrets(party.bundle / "secrets.yaml"), about.upgrade()):
            line = shlex.join(command).replace(f"{party.bundle}/", "").replace(str(party.chart), '"$CHART"')
            assert line in text
        assert all(shlex.join(about.create_namespace(name)) in text for name in party.namespaces)


def test_a_party_that_is_not_there_is_refused_with_those_there_are(federation: Path, tmp_path: Path) -> None:
    """The order is the coordinator's first, whatever was asked."""
    plan = load_plan(federation)
    assert [party.name for party in parties(plan, tmp_path, ["north", "coordinator"])] == [
        "coordinator",
        "north",
    ]
    with pytest.raises(UsageError, match="'nord' is no party of hospitals") as refused:
        parties(plan, tmp_path, ["nord"])
    assert "coordinator, north" in refused.value.remedy


def test_a_tenant_with_a_revoked_node_is_known(federation: Path) -> None:
    """Nobody waits for what is never let in again; a new key makes it a tenant like others."""
    plan, bundles = load_plan(federation), federation.parent / "bundles" / "hospitals"

    def out(*words: str) -> dict[str, frozenset[str]]:
        assert main.run([*words, "-f", str(federation)]) == 0
        found = with_revoked(parties(plan, bundles), plan, read_manifest(plan, bundles), bundles)
        return {party.name: party.revoked for party in found}

    nobody = {"coordinator": frozenset[str](), "north": frozenset[str]()}
    assert out("generate") == nobody
    assert out("revoke", "node", "north/1") == {**nobody, "north": {"hospitals-north-1"}}
    assert out("rotate", "key", "north/1") == nobody


@pytest.mark.parametrize(("offset", "hours"), [("+0000 UTC", 0), ("+0200 CEST", 2), ("-0730 X", -7.5)])
def test_a_releases_age_is_read_in_its_zone(offset: str, hours: float) -> None:
    """Helm writes local time with the zone's offset."""
    there = datetime.now(UTC) + timedelta(hours=hours, seconds=-100)
    updated = f"{there:%Y-%m-%d %H:%M:%S}.123456789 {offset}"
    facts = {
        "name": "a",
        "namespace": "a",
        "revision": "1",
        "status": "deployed",
        "chart": "a-1",
        "app_version": "",
    }
    assert 95 < Release(**facts, updated=updated).age < 110
    assert Release(**facts, updated="unknown").age == float("inf")


def test_objects_are_compared_whole() -> None:
    """Made, changed and removed objects are told apart; of a Secret no line is shown."""
    old = {("Secret", "a", "s"): {"data": 1}, ("Role", "a", "r"): {"x": 1}, ("Pod", "a", "p"): {}}
    new = {("Secret", "a", "s"): {"data": 2}, ("Role", "a", "r"): {"x": 2}, ("Job", "a", "j"): {}}
    found = {change.kind: change for change in _compare(old, new)}
    assert {kind: change.action for kind, change in found.items()} == {
        "Job": "create",
        "Pod": "remove",
        "Role": "change",
        "Secret": "change",
    }
    assert found["Secret"].lines == ()
    assert found["Role"].lines[-2:] == ("-x: 1", "+x: 2")


def test_a_counted_generation_is_no_difference() -> None:
    """What the API server counts by itself is passed over, what stands beside it is not."""
    counted = ["@@ -1 +1 @@", "-  generation: 1", "+  generation: 2"]
    assert not _matters(counted)
    assert _matters([*counted, "-  replicas: 1", "+  replicas: 2"])
