"""INSTALL.md: every command in it is one that a shell and the tools take as meant."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from flowerbed.bundles.render import superlink_install, supernode_install
from support.plan_variants import NASTY, change, variants
from support.plans import federation, tenant

VARIANTS = variants()
# Stands in for kubectl and helm: writes down the arguments that it was given.
RECORDER = """#!/bin/sh
{ printf '%s\\0' "${0##*/}" "$@"; printf '\\1\\0'; } >> "$CALLS"
case " $* " in *" get namespace "*) exit 1; esac
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Return a folder with a kubectl and a helm that record their calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("kubectl", "helm"):
        (folder / name).write_text(RECORDER)
        (folder / name).chmod(0o755)
    return folder


def calls(text: str, tools: Path) -> list[list[str]]:
    """Run every shell block of the instructions and return the calls that it made."""
    script = "set -eu\n" + "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    record = tools.parent / "calls"
    record.write_text("")
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "CALLS": str(record)}
    subprocess.run(["sh", "-c", script], check=True, env=environment, capture_output=True)
    return [call.split("\0")[:-1] for call in record.read_bytes().decode().split("\1\0")[:-1]]


def verbs(made: list[list[str]]) -> list[str]:
    return [" ".join(call[:3]) for call in made]


def test_the_coordinators_commands(tools: Path) -> None:
    """The SuperLink's instructions install, check and remove it, in its namespace."""
    made = calls(superlink_install(VARIANTS["plain"]), tools)
    assert verbs(made) == [
        "kubectl get namespace",
        "kubectl create namespace",
        "kubectl apply --server-side",
        "helm upgrade --install",
        "kubectl rollout status",
        "helm test hospitals-superlink",
        "helm uninstall hospitals-superlink",
        "kubectl delete --namespace",
        "kubectl delete persistentvolumeclaim",
    ]
    assert made[3][3:] == [
        *("hospitals-superlink", "charts/superlink", "--namespace", "hub", "--values", "values.yaml"),
        *("--wait", "--timeout", "10m"),
    ]


def test_a_tenants_commands(tools: Path) -> None:
    """A tenant's instructions do the same for its release, and do not wait for an admission."""
    plan = VARIANTS["plain"]
    made = calls(supernode_install(plan, plan.tenants[0], has_authority=True), tools)
    assert verbs(made) == [
        "kubectl get namespace",
        "kubectl create namespace",
        "kubectl apply --server-side",
        "helm upgrade --install",
        "kubectl rollout status",
        "kubectl get pods",
        "helm test hospitals-north",
        "helm uninstall hospitals-north",
        "kubectl delete --namespace",
    ]
    assert "--wait" not in made[3]


@pytest.mark.parametrize(
    "context", [text for text in NASTY if text and "\0" not in text and "```" not in text]
)
def test_a_context_stays_one_argument(context: str, tools: Path) -> None:
    """A kubeconfig context of any spelling reaches both tools as it was declared."""
    plan = federation(change(tenant("north"), context=context))
    made = calls(supernode_install(plan, plan.tenants[0], has_authority=True), tools)
    assert {call[1] for call in made if call[0] == "kubectl"} == {"--context"}
    assert {call[1] for call in made if call[0] == "helm"} == {"--kube-context"}
    assert {call[2] for call in made} == {context}


def test_brought_keys_are_put_in_by_their_owner(tools: Path) -> None:
    """Who brings keys makes the Secret, one entry per node; there is no manifest to apply."""
    plan = VARIANTS["brought"]
    text = supernode_install(plan, plan.tenants[0], has_authority=True)
    made = calls(text, tools)
    assert [
        *("kubectl", "create", "secret", "generic", "hospitals-north-node-keys", "--namespace", "north"),
        "--from-file=hospitals-north-0=hospitals-north-0.key",
        "--from-file=hospitals-north-1=hospitals-north-1.key",
    ] in made
    assert "secrets.yaml" not in text
    assert "kubectl delete secret" in verbs(made)


@pytest.mark.parametrize(("name", "expected"), [("plain", ["hub"]), ("kubernetes", ["hub", "hub-tasks"])])
def test_task_pods_have_a_namespace_of_their_own(name: str, expected: list[str], tools: Path) -> None:
    """With the executor `kubernetes` the namespace of the task pods is made as well."""
    made = calls(superlink_install(VARIANTS[name]), tools)
    assert [call[3] for call in made if call[1:3] == ["create", "namespace"]] == expected


@pytest.mark.parametrize("name", ["insecure", "existing-secret", "cert-manager"])
def test_what_is_special_is_said(name: str) -> None:
    """Instructions warn of an insecure federation and name a certificate that comes from elsewhere."""
    text = superlink_install(VARIANTS[name])
    expected = {
        "insecure": "**insecure**",
        "existing-secret": "`theirs`",
        "cert-manager": "cert-manager writes",
    }
    assert expected[name] in text
    assert expected[name] not in superlink_install(VARIANTS["plain"])
