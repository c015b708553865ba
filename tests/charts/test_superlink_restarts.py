"""A pod of the superlink chart restarts when what it was started from changes, and at no other time."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from support.chart_release import PLACES, render
from support.paths import CHARTS

Json = dict[str, Any]

CHART = CHARTS / "superlink"
SUPERLINK, SUPEREXEC = "superlink", "superexec"
BALANCED = {"type": "loadBalancer", "host": "fleet.example.org"}
KEY = "-----BEGIN PUBLIC KEY-----\nMHYw{}\n-----END PUBLIC KEY-----\n"

CHANGES: list[tuple[Json, set[str]]] = [
    ({"users": {"sam": "submitter"}}, set()),
    ({"admission": {"nodes": {"north-0": {"publicKey": KEY.format(0)}}}}, set()),
    ({"networkPolicy": {"tenants": {"north": {"namespace": "north"}}}}, set()),
    # Whether the gateway can tell one client's address from another's is read at its start.
    ({"exposure": {"fleet": {**BALANCED, "externalTrafficPolicy": "Local"}}}, set()),
    ({"exposure": {"fleet": BALANCED}}, {SUPERLINK}),
    ({"commonLabels": {"team": "ml"}, "commonAnnotations": {"owner": "ml"}}, set()),
    ({"persistence": {"size": "20Gi"}, "federation": "clinics"}, set()),
    ({"fingerprints": {"ca": "77aa"}}, {SUPEREXEC}),
    ({"fingerprints": {"superexec": "77aa"}}, {SUPERLINK, SUPEREXEC}),
    ({"env": {"A": "b"}}, {SUPERLINK}),
    ({"superexec": {"env": {"A": "b"}}}, {SUPEREXEC}),
    ({"limits": {"logStreams": 5}}, {SUPERLINK}),
    ({"admission": {"mode": "open"}}, {SUPERLINK}),
    ({"image": {"tag": "1.41.9"}}, {SUPERLINK, SUPEREXEC}),
    ({"insecure": True, "admission": {"mode": "open"}}, {SUPERLINK, SUPEREXEC}),
]


def pods(values: Json, chart: Path = CHART) -> dict[str, Json]:
    """Return the pod templates by component."""
    release = render(str(chart), values, release=PLACES["superlink"])
    workloads = [*release.of("StatefulSet"), *release.of("Deployment")]
    return {
        item["metadata"]["labels"]["app.kubernetes.io/component"]: item["spec"]["template"]
        for item in workloads
    }


def restarted(before: dict[str, Json], after: dict[str, Json]) -> set[str]:
    return {component for component, pod in before.items() if after[component] != pod}


@pytest.mark.parametrize(("values", "expected"), CHANGES, ids=[str(values) for values, _ in CHANGES])
def test_values(values: Json, expected: set[str]) -> None:
    """Each value restarts the pods that read it at their start, and no other."""
    assert restarted(pods({}), pods(values)) == expected


def test_executor_configuration() -> None:
    """The SuperExec reads its configuration once, so a change of it restarts the SuperExec alone."""
    kubernetes = {"superexec": {"executor": "kubernetes"}}
    assert restarted(pods(kubernetes), pods({**kubernetes, "tasks": {"activePodBudget": 2}})) == {SUPEREXEC}


@pytest.mark.parametrize(
    ("file", "before", "after", "expected"),
    [
        ("Chart.yaml", "version: 0.1.0", "version: 0.1.1", set()),
        ("files/check.py", "TIMEOUT = 8.0", "TIMEOUT = 9.0", set()),
        ("files/haproxy.cfg", "nbthread 2", "nbthread 3", {SUPERLINK}),
        ("files/gateway.sh", "set -u", "set -eu", {SUPERLINK}),
        ("files/flowerbed/flower/programs/registrar.py", "RETRY = 1.0", "RETRY = 2.0", {SUPERLINK}),
    ],
)
def test_files(tmp_path: Path, file: str, before: str, after: str, expected: set[str]) -> None:
    """A new version of the chart restarts a pod only when it brings that pod another file."""
    chart = shutil.copytree(CHART, tmp_path / "superlink")
    text = (chart / file).read_text(encoding="utf-8")
    assert before in text
    (chart / file).write_text(text.replace(before, after), encoding="utf-8")
    assert restarted(pods({}), pods({}, chart)) == expected
