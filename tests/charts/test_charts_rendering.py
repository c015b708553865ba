"""Every shipped values file, rendered by both Helms: what is made, and that both make the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.chart_release import (
    CASES,
    HELMS,
    MARK,
    PLACES,
    Case,
    Refused,
    check_schemas,
    dump,
    render,
    run_helm,
)
from support.paths import CHARTS, ROOT

SUPERNODE = {("StatefulSet", "@"), ("ConfigMap", "@-files"), ("ConfigMap", "@-nodes")}
GUARDED = {
    ("NetworkPolicy", "@"),
    ("PodDisruptionBudget", "@"),
    ("ServiceAccount", "@"),
    ("Pod", "@-test"),
}
APART = {
    ("Deployment", "@-superexec-0"),
    ("Deployment", "@-superexec-1"),
    ("Service", "@-runtime"),
    ("NetworkPolicy", "@-superexec"),
}
RUN = {("ConfigMap", "@-files"), ("ConfigMap", "@-run")}
RUN_GUARDED = {("NetworkPolicy", "@"), ("ServiceAccount", "@"), ("Pod", "@-test")}
# Whole releases: every (kind, name), with @ for the base of the names. Jobs stand under their base, too.
RELEASES = {
    "supernode/listed": SUPERNODE | GUARDED,
    "supernode/open": SUPERNODE | GUARDED,
    "supernode/insecure": SUPERNODE,
    "supernode/deployment": SUPERNODE | GUARDED | APART,
    "supernode/kubernetes": SUPERNODE
    | GUARDED
    | APART
    | {
        ("ServiceAccount", "@-superexec"),
        ("ConfigMap", "@-executor"),
        ("ConfigMap", "@-start"),
        ("Role", "@-tasks"),
        ("RoleBinding", "@-tasks"),
        ("NetworkPolicy", "@-tasks"),
    },
    "supernode/outside": SUPERNODE
    | (GUARDED - {("ServiceAccount", "@")})
    | {
        ("ServiceAccount", "north-account"),
        ("ConfigMap", "@-ca"),
        ("ResourceQuota", "@"),
        ("LimitRange", "@"),
        ("Role", "@-operators"),
        ("RoleBinding", "@-operators"),
    },
    "app/inline": RUN | RUN_GUARDED | {("Job", "@"), ("ConfigMap", "@-app")},
    "app/archive": RUN | RUN_GUARDED | {("Job", "@")},
    "app/image": RUN | RUN_GUARDED | {("Job", "@")},
    "app/volume-insecure": RUN | {("Job", "@")},
    "app/git": RUN
    | (RUN_GUARDED - {("ServiceAccount", "@")})
    | {
        ("Job", "@"),
        ("ServiceAccount", "runner"),
        ("ConfigMap", "@-ca"),
        ("ConfigMap", "@-outcome"),
        ("Role", "@-outcome"),
        ("RoleBinding", "@-outcome"),
    },
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_both_helms_make_the_same(case: Case) -> None:
    """Helm 3 and Helm 4 render equal objects, which the oldest and the newest Kubernetes take."""
    first, second = (case.render(helm).objects for helm in HELMS)
    assert first == second


def written(case: Case, folder: Path) -> Path:
    """Return a file with a case's values, filled in."""
    file = folder / "values.yaml"
    file.write_text(dump(case.values), encoding="utf-8")
    return file


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_lints(case: Case, helm: str, tmp_path: Path) -> None:
    """`helm lint --strict` finds nothing."""
    values = written(case, tmp_path)
    done = run_helm(helm, "lint", "--strict", CHARTS / case.chart, "--values", values)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=str)
def test_installs_as_far_as_no_cluster_is_needed(case: Case, tmp_path: Path) -> None:
    """`helm install --dry-run=client` goes through and prints notes (Helm 3 asks a cluster for it)."""
    name, namespace = case.release
    place = ["--dry-run=client", "--namespace", namespace, "--values", str(written(case, tmp_path))]
    done = run_helm("helm", "install", name, CHARTS / case.chart, *place)
    assert done.returncode == 0, done.stderr
    assert "NOTES:" in done.stdout


@pytest.mark.parametrize("case", [case for case in CASES if MARK in case.file.read_text()], ids=str)
def test_what_is_not_filled_in_is_refused(case: Case) -> None:
    """Values whose marks stand as they are do not render, and the refusal says which."""
    with pytest.raises(Refused, match=r"(caCert|publicKey): is not a"):
        render(case.chart, case.file, release=case.release)


@pytest.mark.parametrize("key", RELEASES)
def test_whole_releases(key: str) -> None:
    """A release is these objects and no others."""
    chart, _, values = key.partition("/")
    (case,) = [case for case in CASES if case.chart == chart and case.file.stem == values]
    release = case.render()
    base = case.values.get("fullnameOverride", release.name)
    found = {(kind, name.rpartition("-")[0] if kind == "Job" else name) for kind, name in release.identities}
    assert found == {(kind, name.replace("@", base)) for kind, name in RELEASES[key]}


def test_the_catalogue_is_whole() -> None:
    """Every chart has values, every file of values/ is rendered, every own release is compared whole."""
    assert {chart.name for chart in CHARTS.iterdir() if (chart / "Chart.yaml").exists()} == set(PLACES)
    assert {case.chart for case in CASES} == set(PLACES)
    files = {case.file for case in CASES}
    assert set(ROOT.glob("values/*/*/values.yaml")) | set(ROOT.glob("values/*/*/*/values.yaml")) <= files
    beside = {f"{case.chart}/{case.file.stem}" for case in CASES if case.file.parent.name == "ci"}
    # The superlink chart's own suite compares its releases.
    assert {key for key in beside if not key.startswith("superlink/")} == set(RELEASES)


def test_names_are_different_and_in_their_namespace() -> None:
    """No two objects of a release have the same kind, namespace and name, and each says its namespace."""
    for case in CASES:
        found = [
            (item["kind"], item["metadata"]["namespace"], item["metadata"]["name"])
            for item in case.render().objects
        ]
        assert len(found) == len(set(found)), case


@pytest.mark.parametrize(
    "change", [{"replicaz": 1}, {"replicas": "one"}, {"template": {"spec": {"container": []}}}]
)
def test_the_schema_check_can_fail(change: dict[str, object]) -> None:
    """An unknown key, a wrong type and a typo deep inside are refused, so that passing means something."""
    release = render("supernode", {"superlink": {"address": "x:1"}, "tls": {"existingSecret": "ca"}})
    whole = json.loads(json.dumps(release.one("StatefulSet")))
    check_schemas(dump(whole))
    whole["spec"] = {**whole["spec"], **change}
    with pytest.raises(AssertionError, match=r"Kubernetes 1\.30"):
        check_schemas(dump(whole))


def test_refusals_reach_the_caller() -> None:
    """A refusal is an error of Helm with the chart's own words."""
    with pytest.raises(Refused, match=r"superlink\.address: is empty"):
        render("supernode", {})
