"""What Kubernetes tells becomes facts, and facts findings: objects in the shape that kubectl prints."""

from __future__ import annotations

import dataclasses
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flowerbed.cluster.objects import parse_objects
from flowerbed.cluster.party import Party
from flowerbed.cluster.programs import Programs
from flowerbed.cluster.session import Cluster
from flowerbed.kubernetes.diagnosis.facts import Fact, gather_facts, registrar_troubles
from flowerbed.kubernetes.diagnosis.findings import diagnose, healthy, merge, problem
from flowerbed.kubernetes.network.probe import pending_names

PARTY = Party("north", Path("supernode"), "hospitals-north", ("north",), "", Path("north"))
NAME = "hospitals-north-0"


def listed(*items: dict[str, Any]) -> str:
    return json.dumps({"kind": "List", "apiVersion": "v1", "items": items})


def workload(ready: int = 0, replicas: int = 1) -> dict[str, Any]:
    return {
        "kind": "StatefulSet",
        "metadata": {"name": "hospitals-north", "generation": 2},
        "spec": {"replicas": 1},
        "status": {
            "observedGeneration": 2,
            "replicas": replicas,
            "updatedReplicas": replicas,
            "readyReplicas": ready,
        },
    }


def pod(
    container: dict[str, Any] | None, *conditions: dict[str, Any], phase: str = "Running"
) -> dict[str, Any]:
    statuses = [{"name": "supernode", "ready": False, "restartCount": 0, **container}] if container else []
    status = {"phase": phase, "conditions": conditions, "containerStatuses": statuses}
    return {"kind": "Pod", "metadata": {"name": NAME, "labels": {}}, "spec": {}, "status": status}


def event(reason: str, message: str, about: tuple[str, str] = ("Pod", NAME), hour: int = 1) -> dict[str, Any]:
    return {
        "kind": "Event",
        "metadata": {"name": f"{about[1]}.1"},
        "involvedObject": {"kind": about[0], "name": about[1]},
        "reason": reason,
        "message": message,
        "eventTime": None,
        "lastTimestamp": f"2026-01-02T0{hour}:00:00Z",
        "series": None,
    }


@pytest.fixture
def kubectl(tmp_path: Path) -> Programs:
    """A kubectl that may not read logs, so that only objects and events tell."""
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\necho 'Error from server (Forbidden): pods/log is forbidden' >&2\nexit 1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return Programs(helm="helm", kubectl=str(program))


def facts(programs: Programs, *items: dict[str, Any]) -> list[Fact]:
    objects = [item for item in items if item["kind"] != "Event"]
    events = [item for item in items if item["kind"] == "Event"]
    return gather_facts(parse_objects(listed(*objects), listed(*events)), Cluster(programs, PARTY))


UNSCHEDULED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
}
CASES = {
    "image-missing": [
        pod({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}})
    ],
    "claim-unbound": [pod(None, UNSCHEDULED, phase="Pending")],
    "out-of-memory": [
        pod(
            {
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
            }
        )
    ],
    "key-missing": [
        pod(
            {
                "state": {
                    "terminated": {
                        "reason": "Error",
                        "exitCode": 1,
                        "message": "error: the Secret with the"
                        " node keys has no entry hospitals-north-0; the entry is named as the pod\n",
                    }
                },
            }
        )
    ],
    "secret-missing": [
        pod({"state": {"waiting": {"reason": "ContainerCreating"}}}, phase="Pending"),
        event("FailedMount", 'MountVolume.SetUp failed for volume "keys" : secret "k" not found'),
    ],
    "wrong-ca": [
        pod({"state": {"running": {}}}),
        event("Unhealthy", "Readiness probe failed: wrong name: an older one", hour=1),
        event("Unhealthy", "Readiness probe failed: waiting: wrong CA: /ca/ca.crt did not sign it", hour=2),
    ],
    "fleet-blocked": [
        pod({"state": {"running": {}}, "started": False}),
        event("Unhealthy", "Startup probe failed: unreachable: fleet.example.org:443: no answer within 8 s"),
    ],
    "quota-exceeded": [
        event(
            "FailedCreate",
            "Create Pod hospitals-north-0 in StatefulSet hospitals-north failed error: pods"
            ' "hospitals-north-0" is forbidden: exceeded quota: tiny',
            ("StatefulSet", "hospitals-north"),
        )
    ],
}


@pytest.mark.parametrize(("symptom", "items"), CASES.items(), ids=CASES)
def test_each_trouble_is_told(symptom: str, items: list[dict[str, Any]], kubectl: Programs) -> None:
    """Pod states, conditions and events lead to one problem, with its cause and remedy."""
    replicas = 0 if symptom == "quota-exceeded" else 1
    (fact,) = facts(kubectl, workload(replicas=replicas), *items)
    found = diagnose(fact, party="north")
    assert (found.level, found.symptom) == ("problem", symptom)
    assert found.cause
    assert found.remedy
    assert found.where.startswith("north: hospitals-north")


def test_a_revoked_node_is_no_problem(kubectl: Programs) -> None:
    """That it is not ready was asked for, whatever its pod says; another pod of that tenant is judged."""
    party = dataclasses.replace(PARTY, revoked=frozenset({NAME}))
    objects = parse_objects(listed(workload(), *CASES["image-missing"]), listed())
    (fact,) = gather_facts(objects, Cluster(kubectl, party))
    found = diagnose(fact, party="north")
    assert (found.level, found.symptom) == ("warning", "key-revoked")
    assert healthy([found])
    others = dataclasses.replace(PARTY, revoked=frozenset({"hospitals-north-1"}))
    (fact,) = gather_facts(objects, Cluster(kubectl, others))
    assert diagnose(fact, party="north").symptom == "image-missing"


@pytest.mark.parametrize(
    ("problem", "symptom"),
    [
        ("send-node-heartbeat: ReadTimeout: The read operation timed out", "fleet-blocked"),
        ("pull-messages: ConnectTimeout: timed out", "fleet-blocked"),
        ("send-node-heartbeat: ConnectError: [Errno 111] Connection refused", "fleet-refused"),
        ("pull-messages: ConnectError: [Errno -2] Name or service not known", "name-unknown"),
        ("send-node-heartbeat: HTTP 503", "superlink-away"),
        (
            "pull-messages: ConnectError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable"
            " to get local issuer certificate (_ssl.c:1016)",
            "wrong-ca",
        ),
        ("pull-messages: RemoteProtocolError: Server disconnected", "other"),
    ],
)
def test_a_node_that_lost_its_superlink_is_a_problem(problem: str, symptom: str, kubectl: Programs) -> None:
    """A node that was online before has been silent for a minute: no passing matter, and with a cause."""
    words = f"the SuperLink acknowledged no heartbeat for 75 s; last problem: {problem}"
    running = pod({"state": {"running": {}}})
    (fact,) = facts(kubectl, workload(), running, event("Unhealthy", f"Readiness probe failed: {words}"))
    assert fact.text == f"supernode: {words}"
    found = diagnose(fact)
    assert (found.level, found.symptom) == ("problem", symptom)


def test_the_last_words_stay_known_after_a_restart(kubectl: Programs) -> None:
    """A container that runs again for a while still tells what ended the one before it, without colours."""
    words = "\x1b[91mERROR\x1b[0m: Exit Code: 606\ndetected a runtime version mismatch\n"
    ended = {"reason": "Error", "exitCode": 1, "message": words}
    again = {"state": {"running": {}}, "lastState": {"terminated": ended}}
    (fact,) = facts(kubectl, workload(), pod(again))
    told = "Error, exit code 1; last words: ERROR: Exit Code: 606 | detected a runtime version mismatch"
    assert fact.text == f"supernode is starting; before, it ended: {told}"
    assert diagnose(fact).symptom == "versions-differ"


@pytest.mark.parametrize(("restarts", "minutes", "told"), [(3, 1, True), (2, 1, False), (9, 20, False)])
def test_what_ends_again_and_again_is_told_while_it_is_ready(
    restarts: int, minutes: int, told: bool, kubectl: Programs
) -> None:
    """Between two ends a container looks well: often and lately ended, it is a problem all the same."""
    moment = datetime.now(UTC) - timedelta(minutes=minutes)
    ended = {"reason": "Error", "exitCode": 1, "message": "x", "finishedAt": moment.isoformat()}
    again = {"ready": True, "restartCount": restarts, "state": {"running": {}}}
    again["lastState"] = {"terminated": ended}
    found = facts(kubectl, workload(ready=1), pod(again, {"type": "Ready", "status": "True"}))
    assert [fact.text for fact in found] == [
        "supernode keeps ending: Error, exit code 1; last words: x"
    ] * told
    assert healthy(diagnose(fact) for fact in found) is not told


def test_what_is_over_counts_no_longer(kubectl: Programs) -> None:
    """Events of a pod that is ready, and of a workload that is complete, are no facts."""
    there = pod({"state": {"running": {}}, "ready": True}, {"type": "Ready", "status": "True"})
    old = [
        event("Unhealthy", "Readiness probe failed: wrong CA: it was"),
        event("FailedCreate", "exceeded quota: tiny", ("StatefulSet", "hospitals-north")),
    ]
    assert facts(kubectl, workload(ready=1), there, *old) == []


def test_a_starting_pod_is_no_problem_yet(kubectl: Programs) -> None:
    """What passes by itself is told, and leaves the federation healthy."""
    items = [workload(), pod({"state": {"waiting": {"reason": "ContainerCreating"}}}, phase="Pending")]
    (fact,) = facts(kubectl, *items)
    assert fact.transient
    assert diagnose(fact).level == "warning"


def test_a_workloads_events_are_its_own(kubectl: Programs) -> None:
    """What befalls another workload whose name begins alike is not taken for this one's."""
    about = ("ReplicaSet", "hospitals-north-superexec-55f6494749")
    (fact,) = facts(kubectl, workload(replicas=0), event("FailedCreate", "exceeded quota", about))
    assert fact.transient


def test_test_pods_are_not_looked_at(kubectl: Programs) -> None:
    """What `helm test` left behind is no part of the release's health."""
    left = pod({"state": {"terminated": {"reason": "Error", "exitCode": 1}}}, phase="Failed")
    left["metadata"]["labels"] = {"app.kubernetes.io/component": "test"}
    there = pod({"state": {"running": {}}, "ready": True}, {"type": "Ready", "status": "True"})
    assert facts(kubectl, workload(ready=1), there, left) == []


def test_findings_of_many_pods_become_one() -> None:
    """A hundred nodes with one trouble are one finding that names the first and counts the rest."""
    found = merge(diagnose(Fact(f"node-{index}", "wrong CA: x"), party="north") for index in range(100))
    assert len(found) == 1
    assert found[0].where.endswith("north: node-3 and 96 more")
    assert not healthy(found)


def test_the_remedy_at_hand_goes_before_the_general_one() -> None:
    """A problem's own remedy is kept; its symptom still gives the cause."""
    found = problem("release a is pending-install", remedy="wait")
    assert (found.symptom, found.remedy) == ("release-hangs", "wait")


def test_the_registrars_last_word_on_a_node_counts() -> None:
    """A node that was registered in the end is no trouble; lines that are not JSON are passed over."""
    lines = [
        {"event": "not registered", "node": "a", "reason": "unknown curve"},
        {"event": "registered", "node": "a"},
        {"event": "not registered", "node": "b", "reason": "this key was unregistered before"},
        {"event": "waiting", "reason": "Connection refused"},
    ]
    log = "\n".join(["Traceback", *(json.dumps(line) for line in lines)])
    assert registrar_troubles(log) == ["b: not registered: this key was unregistered before"]


def test_a_trouble_of_a_list_lasts_until_the_registrar_says_that_it_is_over() -> None:
    """What is wrong with a list as a whole is told beside the nodes, by its last reason."""
    lines = [
        {"event": "list not usable", "reason": "Expecting value"},
        {"event": "removals held back", "reason": "6 of 9 nodes"},
        {"event": "removals held back", "reason": "7 of 9 nodes"},
        {"event": "over", "of": "list not usable"},
        {"event": "not registered", "node": "north-0", "reason": "never again"},
        {"event": "over", "node": "north-0"},
    ]
    log = "\n".join(json.dumps(line) for line in lines)
    assert registrar_troubles(log) == ["removals held back: 7 of 9 nodes"]
    assert registrar_troubles(log + '\n{"event": "over", "of": "removals held back"}') == []


@pytest.mark.parametrize(
    ("note", "names"),
    [
        ("# what changed and is not in use\n\n", ""),
        ("# what changed and is not in use\npending tls revoked-users\n", "tls, revoked-users"),
        ("", ""),
    ],
)
def test_what_the_gateway_does_not_use_is_read_from_its_note(note: str, names: str) -> None:
    """The file is the gateway's own, which HAProxy reads as a map; it is a problem with cause and remedy."""
    assert pending_names(note) == names
    assert problem(f"changed, but not in use: {names}").symptom == "gateway-pending"
