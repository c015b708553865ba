"""What a user sees when it goes wrong: `status` on a real cluster names symptom, cause and remedy."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.cluster import Cluster

from flowerbed.bundles import generate
from flowerbed.cluster.party import CHARTS
from flowerbed.declaration import load_plan

TEXT = """\
version: 1
name: troubled
flower: "1.41"
superlink: {namespace: troubled}
tenants: [{name: north, namespace: troubled-north, nodes: 1}]
"""
SPACE = "troubled-north"
PATIENCE = 150
# What goes wrong, by the symptom that has to be told: values on top of the tenant's own. Nobody needs the
# SuperLink for these: the node does not even get as far.
VALUES: dict[str, dict[str, Any]] = {
    "image-missing": {"image": {"tag": "1.41.99"}},
    "name-unknown": {"superlink": {"address": "nowhere.troubled.svc.cluster.local:9092"}},
    "claim-unbound": {"data": [{"claim": "scans", "mountPath": "/data"}]},
    "secret-missing": {"keys": {"existingSecret": "absent"}},
}


@pytest.fixture(scope="module")
def folder(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The bundles of a federation whose tenant's namespace is there, with its keys."""
    folder = tmp_path_factory.mktemp("troubled")
    (folder / "federation.yaml").write_text(TEXT)
    generate(load_plan(folder / "federation.yaml"), folder / "bundles" / "troubled")
    with cluster.removed(SPACE):
        call(cluster, "kubectl", "create", "namespace", SPACE)
        call(cluster, "kubectl", "apply", "--server-side", "-n", SPACE, "-f", tenant(folder) / "secrets.yaml")
        yield folder


def tenant(folder: Path) -> Path:
    return folder / "bundles" / "troubled" / "tenants" / "north"


def call(cluster: Cluster, *command: str | Path) -> str:
    environment = dict(cluster.environment)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def symptoms(cluster: Cluster, folder: Path) -> dict[str, dict[str, str]]:
    """Return the tenant's findings that `status` tells, by symptom."""
    command = [sys.executable, "-m", "flowerbed", "status", "-f", str(folder / "federation.yaml")]
    done = subprocess.run(
        [*command, "--party", "north", "--json"],
        env=dict(cluster.environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return {finding["symptom"]: finding for finding in json.loads(done.stdout)["findings"]}


def until_told(symptom: str, ask: Callable[[], dict[str, dict[str, str]]]) -> dict[str, str]:
    deadline = time.monotonic() + PATIENCE
    found: dict[str, dict[str, str]] = {}
    while time.monotonic() < deadline:
        found = ask()
        if symptom in found:
            return found[symptom]
        time.sleep(1)
    raise AssertionError(f"{symptom} is not told, but {found}")


def release(cluster: Cluster, folder: Path, values: dict[str, Any]) -> None:
    more = folder / "more.json"
    more.write_text(json.dumps(values))
    files = ("--values", tenant(folder) / "values.yaml", "--values", more)
    call(cluster, "helm", "upgrade", "--install", "troubled-north", CHARTS / "supernode", "-n", SPACE, *files)


@pytest.mark.parametrize("symptom", VALUES)
def test_status_tells_what_is_wrong(symptom: str, folder: Path, cluster: Cluster) -> None:
    """Each trouble is a problem with a cause and a remedy."""
    release(cluster, folder, VALUES[symptom])
    found = until_told(symptom, lambda: symptoms(cluster, folder))
    assert found["level"] == "problem"
    assert found["cause"]
    assert found["remedy"]
    call(cluster, "helm", "uninstall", "troubled-north", "-n", SPACE, "--wait")


def test_a_full_quota_is_told(folder: Path, cluster: Cluster) -> None:
    """Pods that are never made are told as well: by the workload that cannot make them."""
    call(cluster, "kubectl", "create", "quota", "tiny", "--hard", "pods=0", "-n", SPACE)
    release(cluster, folder, {})
    assert "exceeded quota: tiny" in until_told("quota-exceeded", lambda: symptoms(cluster, folder))["what"]
    call(cluster, "helm", "uninstall", "troubled-north", "-n", SPACE, "--wait")
    call(cluster, "kubectl", "delete", "quota", "tiny", "-n", SPACE)
