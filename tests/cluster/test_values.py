"""The setups under values/, as they stand: an API server takes each, with a namespace admin's rights."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.cluster import Cluster

from flowerbed.declaration import load_plan
from support.chart_release import HELMS, Case, dump, generated_cases, tools
from support.paths import CHARTS, ROOT

SETUPS = sorted(file.parent.name for file in ROOT.glob("values/*/federation.yaml"))


@pytest.fixture(scope="module")
def admins(cluster: Cluster) -> Iterator[None]:
    """Make each setup's namespaces, with a user who is admin in these and nowhere else."""
    pairs = sorted({(setup, space) for setup in SETUPS for space in namespaces(setup)})
    with cluster.namespaces(*sorted({space for _, space in pairs})):
        cluster.apply(*(binding(setup, space) for setup, space in pairs))
        yield


def cases(setup: str) -> list[Case]:
    """Return the releases of a setup."""
    return [case for case in generated_cases() if case.file.is_relative_to(ROOT / "values" / setup)]


def namespaces(setup: str) -> set[str]:
    """Return the namespaces of a setup."""
    return {space for case in cases(setup) for space in (case.release[1], f"{case.release[1]}-tasks")}


def binding(setup: str, namespace: str) -> dict[str, Any]:
    """Return what makes a setup's user an admin in a namespace."""
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"admins-of-{setup}", "namespace": namespace},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": f"admin-of-{setup}"}],
    }


@pytest.mark.usefixtures("admins")
@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("setup", SETUPS)
def test_a_setup_installs_with_the_rights_of_a_namespace_admin(
    setup: str, helm: str, cluster: Cluster, tmp_path: Path
) -> None:
    """`helm install --dry-run=server` of every party, by somebody who is admin in its namespaces only."""
    found = cases(setup)
    plan = load_plan(ROOT / "values" / setup / "federation.yaml")
    assert len(found) == 1 + len(plan.tenants)
    for case in found:
        dry_run(helm, case, f"admin-of-{setup}", tmp_path, cluster.environment)


def dry_run(helm: str, case: Case, admin: str, folder: Path, environment: dict[str, str]) -> None:
    """Let the API server judge a release. Raises AssertionError with Helm's words."""
    values = folder / "values.yaml"
    values.write_text(dump(case.values))
    name, namespace = case.release
    command = [
        str(tools() / helm),
        "install",
        name,
        str(CHARTS / case.chart),
        "--namespace",
        namespace,
        "--values",
        str(values),
    ]
    command += ["--dry-run=server", "--kube-as-user", admin]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{case}: {done.stderr}"
