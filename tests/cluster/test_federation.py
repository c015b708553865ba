"""One declaration, three namespaces, five nodes, installed as its bundles say; used from outside, inside."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.built import BuiltCluster
from harness.cache import say
from harness.cluster import Cluster
from parties import CHARTS, DIGITS, FLOWERBED, HALVES, Federation, Party, declare, final_accuracy

FLOOR = 0.93  # what examples/digits itself asks for
RECORDS = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "records", "namespace": "analysts"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "64Mi"}}},
}
CONTROL = 31093  # the node port on which users reach the SuperLink


@pytest.fixture(scope="module")
def federation(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Install the federation of this module; everything goes with the namespaces."""
    north, south = HALVES
    with cluster.namespaces("hospitals", "hospitals-north", "hospitals-south", "analysts"):
        declared = declare(
            tmp_path_factory.mktemp("hospitals"),
            f"""
version: 1
name: hospitals
superlink:
  namespace: hospitals
  exposure: {{control: {{type: node-port, host: {cluster.address}, port: {CONTROL}}}}}
tenants:
  - {{name: north, namespace: hospitals-north, nodes: 3, config: {north}}}
  - {{name: south, namespace: hospitals-south, nodes: 2, config: {south}}}
users: [{{name: analyst, role: submitter}}, {{name: guest, role: viewer}}]
""",
            {"": cluster.environment},
        )
        started = time.monotonic()
        declared.install()
        say(f"installed, all five nodes ready: {time.monotonic() - started:.0f} s")
        yield declared


def test_bundles_train_on_a_cluster(federation: Federation) -> None:
    """Submitted from outside with a client certificate, the run completes with all five nodes."""
    outcome = federation.submit(
        DIGITS, "--set", "min-nodes=5", "--set", "num-server-rounds=3", "--set", "accuracy-floor=0.9"
    )
    assert (outcome.code, outcome.result["status"]) == (0, "completed"), outcome.narration
    assert final_accuracy(outcome) > 0.9


def test_a_viewer_starts_nothing(federation: Federation) -> None:
    """Who may only read is refused, and told by which role; the submitter above is the positive control."""
    outcome = federation.submit(DIGITS, user="guest")
    assert outcome.code == 3, outcome.narration
    assert "role" in outcome.narration


@pytest.fixture(scope="module")
def analysts(federation: Federation, cluster: Cluster) -> Party:
    """Give the analyst's namespace her certificate, as the chart app's README says."""
    folder = federation.connection().parent
    party = Party(folder, "app", "analysts", "digits", cluster.environment)
    party.run(
        "kubectl -n analysts create secret generic analyst --type=kubernetes.io/tls"
        " --from-file=tls.crt=client.crt --from-file=tls.key=client.key --from-file=ca.crt"
    )
    return party


def job_values(folder: Path, name: str, **run_config: object) -> Path:
    """Write the values of a run of the digits, given inline, and return the file."""
    files = [DIGITS / "pyproject.toml", *sorted(DIGITS.glob("digits/*.py"))]
    values = {
        "superlink": {
            "address": "hospitals-superlink-control.hospitals.svc.cluster.local:9093",
            "namespace": "hospitals",
        },
        "tls": {"existingSecret": "analyst"},
        "user": {"existingSecret": "analyst"},
        "app": {"inline": {str(file.relative_to(DIGITS)): file.read_text() for file in files}},
        "runConfig": "".join(f"{key} = {value}\n" for key, value in run_config.items()),
        "outcome": {"configMap": {"enabled": True}},
    }
    file = folder / f"{name}.json"
    file.write_text(json.dumps(values))
    return file


def install_job(party: Party, name: str, values: Path) -> None:
    """Install a run."""
    party.run(f"helm install {name} {CHARTS / 'app'} --namespace {party.namespace} --values {values}")


def outcome_of(party: Party, name: str) -> dict[str, Any]:
    """Return the run's outcome from the termination message of the Job's pod."""
    message = party.run(
        f"kubectl -n {party.namespace} get pods -l app.kubernetes.io/instance={name}"
        " -o jsonpath='{.items[0].status.containerStatuses[0].state.terminated.message}'"
    )
    return dict(json.loads(message.strip().splitlines()[-1]))


def test_a_job_ends_as_its_run_does(analysts: Party, cluster: Cluster, tmp_path: Path) -> None:
    """Submitted from inside: the Job succeeds; pod, ConfigMap and a volume of records tell the outcome."""
    cluster.apply(RECORDS)
    values = job_values(tmp_path, "good", **{"num-server-rounds": 2, "accuracy-floor": 0.8, "min-nodes": 5})
    kept = {**json.loads(values.read_text()), "record": {"volume": {"claim": "records", "path": "nightly"}}}
    values.write_text(json.dumps(kept))
    install_job(analysts, "good", values)
    analysts.run(
        "kubectl -n analysts wait --for=condition=complete --timeout=240s job"
        " -l app.kubernetes.io/instance=good"
    )
    outcome = outcome_of(analysts, "good")
    assert (outcome["status"], outcome["exit_code"]) == ("completed", 0)
    said = analysts.run("kubectl -n analysts get configmap -l app.kubernetes.io/instance=good -o json")
    assert outcome["run_id"] in said
    if isinstance(cluster, BuiltCluster):
        record = cluster.volume("analysts", "records") / "nightly" / outcome["run_id"]
        assert json.loads((record / "outcome.json").read_text()) == outcome
        assert "[ROUND 2/2]" in (record / "log.txt").read_text()
        assert (record / "artifacts" / "model.npz").read_bytes()[:2] == b"PK"


def test_a_failed_run_fails_its_job(analysts: Party, tmp_path: Path) -> None:
    """A model below the app's own floor fails the run, and so the Job, with the reason in its pod."""
    install_job(
        analysts, "bad", job_values(tmp_path, "bad", **{"num-server-rounds": 1, "accuracy-floor": 1.1})
    )
    analysts.run(
        "kubectl -n analysts wait --for=condition=failed --timeout=240s job -l app.kubernetes.io/instance=bad"
    )
    outcome = outcome_of(analysts, "bad")
    assert (outcome["status"], outcome["exit_code"]) == ("failed", 1)


def test_deleting_a_job_stops_its_run(federation: Federation, analysts: Party, tmp_path: Path) -> None:
    """`helm uninstall` in the middle of a run ends it: the SuperLink says stopped."""
    install_job(analysts, "long", job_values(tmp_path, "long", **{"num-server-rounds": 500}))
    run_id = wait_for(lambda: running(federation), 120)
    analysts.run("helm uninstall long --namespace analysts --wait")
    wait_for(lambda: status_of(federation, run_id) == "stopped", 30)


def running(federation: Federation) -> str:
    """Return the id of a run that is running, "" for none."""
    return next((run["run_id"] for run in runs(federation) if run["status"] == "running"), "")


def status_of(federation: Federation, run_id: str) -> str:
    """Return what the SuperLink says of a run."""
    (found,) = [run for run in runs(federation) if run["run_id"] == run_id]
    return str(found["sub_status"] or found["status"])


def runs(federation: Federation) -> list[dict[str, str]]:
    """Return the SuperLink's runs, newest first."""
    done = subprocess.run(
        [FLOWERBED, "runs", "--json", "--connection", federation.connection()],
        cwd=federation.bundles,  # where no records of others' runs lie
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return list(json.loads(done.stdout))


def wait_for(condition: Callable[[], str | bool], seconds: float) -> str:
    """Ask until the answer is not empty, and return it. Raises AssertionError after so many seconds."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, f"not within {seconds:.0f} s"
        time.sleep(0.5)
    return str(answer)
