"""Rules that hold for every pod of every shipped values file: one rule a test."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

from support.chart_release import CASES, Case, Object, Pod, render
from support.pod_security import violations

ALL = pytest.mark.parametrize("case", CASES, ids=str)
# This one says `hostPath` twice, for which Pod Security refuses it, as its NOTES say.
ON_PURPOSE = {"outside.yaml": {"is a hostPath"}}


def containers(case: Case) -> list[tuple[str, Object]]:
    """Return every container with a name for failures."""
    return [(f"{pod.owner}/{item['name']}", item) for pod in case.render().pods() for item in pod.containers]


@ALL
def test_restricted(case: Case) -> None:
    """Pod Security `restricted` takes every pod, but for what its values ask for in so many words."""
    excused = ON_PURPOSE.get(case.file.name, set()) if case.chart == "supernode" else set()
    found = {f"{pod.owner}: {said}" for pod in case.render().pods() for said in violations(pod)}
    assert {said for said in found if not any(said.endswith(excuse) for excuse in excused)} == set()


@ALL
def test_images(case: Case) -> None:
    """Every image is named whole: registry, repository, and a tag that is not `latest`, or a digest."""
    whole = re.compile(
        r"[a-z0-9.-]+\.[a-z0-9]+(:\d+)?/[a-z0-9._/-]+(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})"
    )
    assert [name for name, item in containers(case) if not whole.fullmatch(item["image"])] == []


@ALL
def test_read_only_root(case: Case) -> None:
    """Every root file system is read-only."""
    assert [
        name for name, item in containers(case) if not item["securityContext"]["readOnlyRootFilesystem"]
    ] == []


@ALL
def test_resources(case: Case) -> None:
    """Every container asks for CPU and memory and is limited in memory; none of ours is limited in CPU."""
    for name, item in containers(case):
        requests, limits = item["resources"]["requests"], item["resources"]["limits"]
        assert {"cpu", "memory"} <= set(requests), name
        assert "memory" in limits, name
        assert "cpu" not in limits, name


@ALL
def test_tokens(case: Case) -> None:
    """No pod is given a token by itself; only SuperExecs that start pods, and Jobs that say so, mount one."""
    for pod in case.render().pods():
        assert pod.spec["automountServiceAccountToken"] is False, pod.owner
        volumes = pod.spec.get("volumes", [])
        asked = any("serviceAccountToken" in source for item in volumes for source in projected(item))
        allowed = "superexec" in pod.owner or pod.owner.startswith("Job/")
        assert not asked or allowed, pod.owner
        mounting = [
            item["name"]
            for item in pod.containers
            if any(
                mount["mountPath"].startswith("/var/run/secrets") for mount in item.get("volumeMounts", [])
            )
        ]
        assert len(mounting) == int(asked), pod.owner


def projected(volume: Object) -> list[Object]:
    """Return the sources of a projected volume."""
    return list(volume.get("projected", {}).get("sources", []))


@ALL
def test_secrets_are_files_of_their_group(case: Case) -> None:
    """Secrets are mounted for owner and group alone, and keys never come as environment unless asked for."""
    for pod in case.render().pods():
        for volume in pod.spec.get("volumes", []):
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440, f"{pod.owner}: {volume['name']}"


@ALL
def test_selectors_do_not_overlap(case: Case) -> None:
    """No workload's selector takes another workload's pods."""
    release = case.render()
    pods = release.pods()
    for item in release.objects:
        if item["kind"] in {"StatefulSet", "Deployment"}:
            selector = item["spec"]["selector"]["matchLabels"]
            taken = [pod.owner for pod in pods if selector.items() <= pod.labels.items()]
            assert taken == [f"{item['kind']}/{item['metadata']['name']}"]


@ALL
def test_no_version_on_pods(case: Case) -> None:
    """No pod template carries the chart's version: a chart's upgrade alone restarts nothing."""
    for pod in case.render().pods():
        assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(pod.labels), pod.owner


def broken(pod: Pod, change: Callable[[Object], Any]) -> Pod:
    """Return a pod with its spec changed."""
    spec = copy.deepcopy(pod.spec)
    change(spec)
    return Pod(pod.owner, pod.namespace, pod.labels, pod.annotations, spec)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda spec: spec.update(hostNetwork=True), "hostNetwork is set"),
        (lambda spec: spec["containers"][0].update(ports=[{"hostPort": 1}]), "supernode has a hostPort"),
        (
            lambda spec: spec["containers"][0]["securityContext"].update(privileged=True),
            "supernode is privileged",
        ),
        (
            lambda spec: spec["containers"][0]["securityContext"].pop("capabilities"),
            "supernode has capabilities",
        ),
        (
            lambda spec: spec["containers"][0]["securityContext"].pop("allowPrivilegeEscalation"),
            "supernode may escalate",
        ),
        (
            lambda spec: spec["containers"][0]["securityContext"].update(runAsUser=0),
            "supernode runs as user 0",
        ),
        (
            lambda spec: spec["containers"][0]["securityContext"].update(runAsNonRoot=False),
            "supernode may run as root",
        ),
        (
            lambda spec: spec["containers"][0]["securityContext"].update(
                seccompProfile={"type": "Unconfined"}
            ),
            "supernode has no seccomp profile",
        ),
        (
            lambda spec: spec["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
            "volume x is a hostPath",
        ),
        (lambda spec: spec["securityContext"].update(sysctls=[{"name": "kernel.x"}]), "sysctl kernel.x"),
    ],
)
def test_the_rules_can_fail(change: Callable[[Object], Any], said: str) -> None:
    """Each rule refuses the pod that breaks it alone."""
    release = render("supernode", {"superlink": {"address": "x:1"}, "tls": {"existingSecret": "ca"}})
    (pod, *_) = release.pods()
    assert violations(pod) == []
    assert violations(broken(pod, change)) == [said]
