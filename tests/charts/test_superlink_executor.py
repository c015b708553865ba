"""Flower's own reader takes the executor's configuration whole, and makes sound pods of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.chart_release import KUBERNETES, render, tools
from support.task_pods import executor_keys, flowers_pod

Json = Any

RELEASE = "hospitals-superlink"
WORD = """q"' $(HOME) {{ .Values.x }}; $d `id` ../"""
VALUES: dict[str, Any] = {
    "superexec": {
        "executor": "kubernetes",
        "env": {"WORD": WORD},
        "nodeSelector": {"gpu": "yes"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "batch",
        "podLabels": {"team": "ml"},
        "podAnnotations": {"note": WORD},
        "extraVolumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "test-set"}}],
        "extraVolumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}],
    },
    "tasks": {"serviceAccountName": "puller"},
}


@pytest.fixture(scope="module")
def configuration() -> Json:
    """Return the executor's configuration as the chart writes it."""
    written = render("superlink", VALUES).one("ConfigMap", f"{RELEASE}-executor")["data"]["executor.yaml"]
    return yaml.safe_load(written)


@pytest.fixture(scope="module")
def pod(configuration: Json) -> Json:
    """Return the pod that Flower makes of it for a ServerApp."""
    return flowers_pod(configuration, "server", "superlink:9091", "/tls/ca.crt")


def test_no_key_is_ignored(configuration: Json) -> None:
    """Flower ignores keys that it does not know without a word, so there must be none."""
    assert set(configuration) <= executor_keys()


def test_what_is_said_reaches_the_pod(pod: Json) -> None:
    """Every setting of the values is in the pod that Flower makes."""
    spec, container = pod["spec"], pod["spec"]["containers"][0]
    assert pod["metadata"]["labels"]["app.kubernetes.io/instance"] == RELEASE
    assert pod["metadata"]["labels"]["team"] == "ml"
    assert pod["metadata"]["annotations"] == {"note": WORD}
    assert pod["metadata"]["namespace"] == "hospitals-tasks"
    # Doubled: Kubernetes turns `$$` into `$` and would expand `$(HOME)`.
    assert {"name": "WORD", "value": WORD.replace("$", "$$")} in container["env"]
    assert (spec["serviceAccountName"], spec["priorityClassName"]) == ("puller", "batch")
    assert (spec["nodeSelector"], spec["tolerations"]) == ({"gpu": "yes"}, VALUES["superexec"]["tolerations"])
    assert {"name": "data", "mountPath": "/data", "readOnly": True} in container["volumeMounts"]
    assert spec["automountServiceAccountToken"] is False


def test_pod_is_restricted(pod: Json) -> None:
    """The pod passes what Pod Security `restricted` asks of it."""
    spec, container = pod["spec"], pod["spec"]["containers"][0]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize("version", KUBERNETES)
def test_pod_fits_the_schema(pod: Json, tmp_path: Path, version: str) -> None:
    """The oldest and the newest Kubernetes take the pod, strictly read."""
    file = tmp_path / "pod.json"
    file.write_text(json.dumps(pod), encoding="utf-8")
    schemas = f"{tools()}/schemas/v{version}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    command = [str(tools() / "kubeconform"), "-strict", "-schema-location", schemas, str(file)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
