"""What restarts a pod, or makes another run, and what does not."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.chart_release import Object, render, run_helm
from support.paths import CHARTS

CA = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
SUPERNODE: dict[str, Any] = {
    "superlink": {"address": "x:1"},
    "tls": {"caCert": CA.format("AA==")},
    "fingerprints": {"node-keys": "a"},
    "isolationMode": "process",
    "superexec": {"executor": "kubernetes"},
}
APP: dict[str, Any] = {
    "superlink": {"address": "x:1"},
    "tls": {"existingSecret": "u"},
    "user": {"existingSecret": "u"},
    "app": {"inline": {"pyproject.toml": "a"}},
}
Change = dict[str, Any]


def merged(values: Object, change: Change) -> Object:
    """Return values with a change on top, as Helm merges."""
    result = copy.deepcopy(values)
    for key, value in change.items():
        result[key] = merged(result[key], value) if isinstance(result.get(key), dict) else value
    return result


def templates(objects: tuple[Object, ...]) -> dict[str, Object]:
    """Return the pod template of each workload by its kind."""
    return {item["kind"]: item["spec"]["template"] for item in objects if "template" in item.get("spec", {})}


@pytest.mark.parametrize(
    ("change", "restarted"),
    [
        ({}, set()),
        ({"commonLabels": {"a": "b"}, "commonAnnotations": {"a": "b"}}, set()),
        ({"networkPolicy": {"superlinkCidrs": ["192.0.2.7/32"]}}, set()),
        ({"podDisruptionBudget": {"enabled": False}}, set()),
        ({"namespaceKit": {"limitRange": {"enabled": True}}}, set()),
        ({"tests": {"enabled": False}}, set()),
        ({"fingerprints": {"node-keys": "b"}}, {"StatefulSet", "Deployment"}),
        ({"node": {"config": "a = 1"}}, {"StatefulSet"}),
        ({"tls": {"caCert": CA.format("AB==")}}, {"StatefulSet", "Deployment"}),
        ({"tasks": {"activePodBudget": 9}}, {"Deployment"}),
        ({"superlink": {"address": "y:1"}}, {"StatefulSet"}),
        ({"logLevel": "DEBUG"}, {"StatefulSet", "Deployment"}),
    ],
)  # fmt: skip
def test_supernodes_restart_exactly_when_it_matters(change: Change, restarted: set[str]) -> None:
    """A change restarts the pods that it is for, and no others."""
    before = templates(render("supernode", SUPERNODE).objects)
    after = templates(render("supernode", merged(SUPERNODE, change)).objects)
    assert {kind for kind in before if before[kind] != after[kind]} == restarted


def job(values: Object) -> tuple[str, Object]:
    """Return a Job's name and spec."""
    found = render("app", values).one("Job")
    return found["metadata"]["name"], found["spec"]


@pytest.mark.parametrize(
    ("change", "another"),
    [
        ({}, False),
        ({"commonLabels": {"a": "b"}}, False),
        ({"networkPolicy": {"enabled": False}}, False),
        ({"tests": {"enabled": False}}, False),
        ({"rerun": "again"}, True),
        ({"runConfig": "a = 1"}, True),
        ({"app": {"inline": {"pyproject.toml": "b"}}}, True),
        ({"superlink": {"address": "y:1"}}, True),
        ({"onInterrupt": "leave"}, True),
        ({"resources": {"limits": {"memory": "1Gi"}}}, True),
    ],
)
def test_a_job_has_another_name_exactly_when_it_is_another(change: Change, another: bool) -> None:
    """A Job cannot be changed: its name and its spec change together, or not at all."""
    before, after = job(APP), job(merged(APP, change))
    assert (before[0] != after[0], before[1] != after[1]) == (another, another)


@pytest.mark.parametrize(("chart", "values"), [("supernode", SUPERNODE), ("app", APP)])
def test_a_new_version_of_the_chart_alone_changes_nothing_that_runs(
    tmp_path: Path, chart: str, values: Object
) -> None:
    """The version is on no pod template; a changed program restarts SuperNodes, but makes no new run."""

    def rendered(folder: Path) -> dict[str, Object]:
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        done = run_helm("helm", "template", "x", folder, "--namespace", "ns", "--values", file)
        assert done.returncode == 0, done.stderr
        return templates(tuple(item for item in yaml.safe_load_all(done.stdout) if item))

    old = shutil.copytree(CHARTS / chart, tmp_path / "old")
    new = shutil.copytree(CHARTS / chart, tmp_path / "new")
    meta = (new / "Chart.yaml").read_text()
    (new / "Chart.yaml").write_text(meta.replace("version: 0.1.0", "version: 9.9.9"))
    assert rendered(old) == rendered(new)
    (program,) = (new / "files").rglob("reach_*.py")
    program.write_text("# changed\n")
    assert (rendered(old) == rendered(new)) == (chart == "app")
