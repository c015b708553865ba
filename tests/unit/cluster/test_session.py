"""A party's cluster: its commands are those of INSTALL.md, and its failures name party and cluster."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from flowerbed.bundles.render import superlink_install, supernode_install
from flowerbed.cluster.party import Party, parties
from flowerbed.cluster.programs import Programs
from flowerbed.cluster.session import Cluster
from flowerbed.declaration import load_plan
from flowerbed.errors import FlowerbedError, NotAllowedError, UsageError

PROGRAMS = Programs(helm="helm", kubectl="kubectl")


def test_commands_are_those_of_the_instructions(federation: Path, tmp_path: Path) -> None:
    """What `apply` runs is what INSTALL.md tells to run: same release, namespace, files and context."""
    plan = load_plan(federation)
    texts = {
        "coordinator": superlink_install(plan),
        "north": supernode_install(plan, plan.tenants[0], has_authority=True),
    }
    for party in parties(plan, tmp_path):
        about = Cluster(PROGRAMS, party).commands
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
    with pytest.raises(UsageError, match="'nord' is not a party of hospitals") as refused:
        parties(plan, tmp_path, ["nord"])
    assert "coordinator, north" in refused.value.remedy


def test_a_session_uses_context_and_namespace_of_its_party(tmp_path: Path) -> None:
    """What it runs goes where its commands say, and a failure is told with party, namespace and context."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text('#!/bin/sh\necho "$@"\n[ "$3" != get ] || { echo "Error: forbidden" >&2; exit 1; }\n')
    kubectl.chmod(0o755)
    party = Party("north", tmp_path, "hospitals-north", ("north",), "hub", tmp_path)
    cluster = Cluster(Programs(helm="helm", kubectl=str(kubectl)), party)
    assert cluster.kubectl("version").out == "--context hub version\n"
    assert cluster.in_namespace("logs", "a", "-c", "b").out == "--context hub logs a --namespace north -c b\n"
    assert cluster.check_output(cluster.commands.kubectl("version")) == "--context hub version\n"
    with pytest.raises(NotAllowedError) as refused:
        cluster.check_output(cluster.commands.in_namespace("get", "pods"))
    assert refused.value.where == "north (namespace north, context hub)"
    cluster.end()
    with pytest.raises(FlowerbedError, match="interrupted"):
        cluster.kubectl("version")
