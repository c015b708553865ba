"""The setups under values/, as they stand: an API server takes each, with a namespace admin's rights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from harness.cluster import Cluster

sys.path.append(str(Path(__file__).parents[1] / "charts"))

from chart_release import CHARTS, HELMS, ROOT, Case, dump, generated_cases, tools

from flowerbed.declaration import load_plan

SETUPS = sorted(file.parent.name for file in ROOT.glob("values/*/federation.yaml"))


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("setup", SETUPS)
def test_a_setup_installs_with_the_rights_of_a_namespace_admin(
    setup: str,
    helm: str,
    cluster: Cluster,
    tmp_path: Path,
) -> None:
    """`helm install --dry-run=server` of every party, by somebody who is admin in its namespaces only."""
    cases = [case for case in generated_cases() if case.file.is_relative_to(ROOT / "values" / setup)]
    plan = load_plan(ROOT / "values" / setup / "federation.yaml")
    assert len(cases) == 1 + len(plan.tenants)
    names = {space for case in cases for space in (case.release[1], f"{case.release[1]}-tasks")}
    with cluster.namespaces(*sorted(names)):
        for name in sorted(names):
            cluster.kubectl(
                "create", "rolebinding", "admins", "--clusterrole=admin", "--user=admin-of-one", "-n", name
            )
        for case in cases:
            dry_run(helm, case, tmp_path, cluster.environment)


def dry_run(helm: str, case: Case, folder: Path, environment: dict[str, str]) -> None:
    """Let the API server judge a release. Raises AssertionError with Helm's words."""
    values = folder / "values.yaml"
    values.write_text(dump(case.values))
    name, namespace = case.release
    command = [
        tools() / helm,
        "install",
        name,
        CHARTS / case.chart,
        "--namespace",
        namespace,
        "--values",
        values,
    ]
    command += ["--dry-run=server", "--kube-as-user", "admin-of-one"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{case}: {done.stderr}"
