"""What a user sees when a node is not let in: `status`, `doctor` and the pod itself name cause and remedy.

Each trouble has a tenant of its own in one federation, beside one that is well.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from applied import Applied
from harness.cluster import Cluster
from parties import CHARTS, ROOT

from flowerbed.identities import CertificateAuthority, NodeKey, ServerCertificate, validity
from flowerbed.identities.certificates import KeyPairLocation
from flowerbed.kubernetes.diagnosis.findings import symptom_of
from support.json_shapes import assert_shape

PAGE = ROOT / "docs" / "reference" / "troubleshooting.md"
SPACE, TENANTS = "ailing", "ailing-nodes"
TEXT = """
version: 1
name: ailing
superlink: {namespace: ailing}
tenants:
  - {name: well, namespace: ailing-nodes, nodes: 1}
  - {name: unknown, namespace: ailing-nodes, nodes: 1}
  - {name: mistrusting, namespace: ailing-nodes, nodes: 1}
  - {name: misnaming, namespace: ailing-nodes, nodes: 1}
  - {name: early, namespace: ailing-nodes, nodes: 1}
  - {name: blocked, namespace: ailing-nodes, nodes: 1}
  - {name: older, namespace: ailing-nodes, nodes: 1, isolation: process}
users: [{name: watcher, role: viewer}]
"""
# The symptom that has to be told, by tenant.
TROUBLES = {
    "unknown": "key-not-admitted",
    "mistrusting": "wrong-ca",
    "misnaming": "wrong-name",
    "early": "clock-skew",
    "blocked": "fleet-blocked",
    "older": "versions-differ",
}
# A clock that is ahead, as the programs in the pod see it: containers have no clock of their own.
AHEAD = """\
import datetime


class Ahead(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=60)


datetime.datetime = Ahead
"""
# Flower compares the versions that both sides say they are, which they read here.
OLDER = "Metadata-Version: 2.1\nName: flwr\nVersion: 1.40.0\n"
PATIENCE = 240  # seconds until a trouble is told on a busy machine


def put_before(name: str, file: str, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a ConfigMap with a file, and values by which Python finds that file before its own."""
    volume = {"name": "before", "configMap": {"name": name, "items": [{"key": "file", "path": file}]}}
    values = {
        "env": {"PYTHONPATH": "/before"},
        "extraVolumes": [volume],
        "extraVolumeMounts": [{"name": "before", "mountPath": "/before"}],
    }
    meta = {"name": name, "namespace": TENANTS}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"file": text}}, values


@dataclass(frozen=True, slots=True)
class Ailing:
    """The federation, and what is asked about it."""

    cluster: Cluster
    applied: Applied

    def bundle(self, tenant: str) -> Path:
        """Return a tenant's bundle."""
        return self.applied.federation.bundles / "tenants" / tenant

    def install(self, tenant: str, values: dict[str, Any]) -> None:
        """Install a tenant's release by hand, with values on top of the bundle's."""
        file = self.bundle(tenant).parent / f"{tenant}.json"
        file.write_text(json.dumps(values))
        more = ("--values", self.bundle(tenant) / "values.yaml", "--values", file)
        self.cluster.helm("install", f"ailing-{tenant}", CHARTS / "supernode", "-n", TENANTS, *more)

    def findings(self, *words: str) -> dict[str, dict[str, str]]:
        """Return what `status` finds, by symptom; in between a container may look well."""
        return {found["symptom"]: found for found in self.applied.status(*words, code=None)["findings"]}

    def until_told(self, symptom: str, words: str = "", *party: str) -> dict[str, str]:
        """Wait until `status` tells a symptom, in these words; return the finding."""
        said: dict[str, dict[str, str]] = {}

        def told() -> bool:
            said.update(self.findings(*party))
            return symptom in said and words in said[symptom]["what"]

        self.cluster.wait(f"{symptom} told: {words}", told, PATIENCE)
        return said[symptom]

    def words_of(self, pod: str) -> list[str]:
        """Return what `kubectl describe pod` shows: the events, and how its containers ended."""
        events = self.cluster.get("events", "-n", TENANTS, "--field-selector", f"involvedObject.name={pod}")
        status = self.cluster.get("pod", pod, "-n", TENANTS)["status"]
        states = [one[key] for one in status["containerStatuses"] for key in ("state", "lastState")]
        ended = [state["terminated"].get("message", "") for state in states if "terminated" in state]
        return [event["message"] for event in events["items"]] + ended


@pytest.fixture(scope="module")
def ailing(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ailing]:
    """Apply the coordinator and the tenant that is well; install the others, each with its trouble."""
    with cluster.namespaces(SPACE, TENANTS):
        found = Ailing(cluster, Applied(tmp_path_factory.mktemp("ailing"), TEXT, cluster.environment))
        found.applied.run("apply", "--party", "coordinator", "--party", "well")
        for tenant in TROUBLES:
            secrets = found.bundle(tenant) / "secrets.yaml"
            cluster.kubectl("apply", "--server-side", "-n", TENANTS, "-f", secrets)
        cluster.kubectl("apply", "-n", TENANTS, "-f", "-", stdin=another_key(found.bundle("unknown")))
        clock_map, ahead = put_before("clock", "sitecustomize.py", AHEAD)
        version_map, older = put_before("version", "flwr-1.40.0.dist-info/METADATA", OLDER)
        cluster.apply(clock_map, version_map)
        other = CertificateAuthority.create("ailing").certificate.decode()
        service = cluster.get("service", "ailing-superlink-fleet", "-n", SPACE)
        alias = {"ip": service["spec"]["clusterIP"], "hostnames": ["fleet.example.org"]}
        values: dict[str, dict[str, Any]] = {
            "unknown": {},
            "mistrusting": {"tls": {"caCert": other}},
            "misnaming": {"superlink": {"address": "fleet.example.org:9092"}, "hostAliases": [alias]},
            "early": ahead,
            # The policy lets the node out to another namespace than the SuperLink's.
            "blocked": {"superlink": {"namespace": "ailing-elsewhere"}},
            "older": older,
        }
        for tenant in TROUBLES:
            found.install(tenant, values[tenant])
        yield found


def another_key(bundle: Path) -> str:
    """Return a tenant's Secret with a key that nobody declared."""
    for secret in yaml.safe_load_all((bundle / "secrets.yaml").read_text()):
        for kind in ("data", "stringData"):
            if "ailing-unknown-0" in secret.get(kind, {}):
                key = NodeKey.generate().private.decode()
                del secret[kind]
                return json.dumps({**secret, "stringData": {"ailing-unknown-0": key}})
    raise AssertionError(f"{bundle} has no node key")


@pytest.mark.parametrize("tenant", TROUBLES)
def test_status_and_pod_name_cause_and_remedy(ailing: Ailing, tenant: str) -> None:
    """The finding's cause and remedy are those on the page of troubles, and the pod alone says as much."""
    symptom = TROUBLES[tenant]
    found = ailing.until_told(symptom, "", "--party", tenant)
    assert found["level"] == "problem"
    assert found["where"] == f"{tenant}: ailing-{tenant}-0"
    page = PAGE.read_text(encoding="utf-8")
    assert f"- Cause: {found['cause']}.\n- Remedy: {found['remedy']}.\n- In `--json`: `{symptom}`." in page
    ailing.cluster.wait(
        f"{symptom} shown by the pod",
        lambda: symptom in {symptom_of(words).key for words in ailing.words_of(f"ailing-{tenant}-0")},
    )


def test_one_that_is_well_is_not_accused(ailing: Ailing) -> None:
    """Beside the others the healthy tenant's node is online, and nothing is found about it."""
    found = ailing.applied.status("--party", "well")
    assert [node["state"] for node in found["nodes"]] == ["online"]
    assert not [one for one in found["findings"] if one["where"].startswith("well")]


def test_doctor_names_them_as_well(ailing: Ailing) -> None:
    """One look at everything finds every trouble that is not over for a moment."""
    # A SuperExec that is started again looks well until it ends.
    lasting = set(TROUBLES.values()) - {"versions-differ"}
    found = json.loads(ailing.applied.run("doctor", "--json", code=1))
    assert_shape("doctor", found)
    assert lasting <= {one["symptom"] for one in found["findings"]}


@pytest.mark.parametrize(("days", "words"), [(-400, "has expired"), (400, "is not valid yet")])
def test_a_certificate_out_of_its_time(
    ailing: Ailing, days: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway shows one that is over, or is still to come: node and coordinator are told, and which."""
    cluster = ailing.cluster
    now = validity.now()
    with monkeypatch.context() as patch:
        patch.setattr(validity, "now", lambda: now + timedelta(days=days))
        made = issued(ailing.applied.federation.bundles / "ca", cluster)
    data = {"tls.crt": made.certificate, "tls.key": made.private_key}
    patch_text = json.dumps({"data": {name: base64.b64encode(text).decode() for name, text in data.items()}})
    cluster.kubectl("patch", "secret", "ailing-superlink-tls", "-n", SPACE, "--patch", patch_text)
    # The kubelet carries it into the pod at once when the pod changes.
    moment = f"flowerbed/refreshed={datetime.now().timestamp()}"
    cluster.kubectl("annotate", "pod", "ailing-superlink-0", "-n", SPACE, "--overwrite", moment)
    ailing.until_told("expired", words, "--party", "coordinator")
    cluster.kubectl("delete", "pod", "ailing-well-0", "-n", TENANTS)
    found = ailing.until_told("expired", words, "--party", "well")
    assert found["where"] == "well: ailing-well-0"


def issued(folder: Path, cluster: Cluster) -> ServerCertificate:
    """Return a certificate of the federation's CA for the names that the gateway's own has."""
    place = KeyPairLocation("CA certificate", "ca.crt", "ca.key", "")
    authority = CertificateAuthority.checked(
        (folder / "ca.crt").read_bytes(), (folder / "ca.key").read_bytes(), place
    )
    held = cluster.get("secret", "ailing-superlink-tls", "-n", SPACE)["data"]
    own = ServerCertificate(base64.b64decode(held["tls.crt"]), b"")
    return authority.issue_server(own.dns_names, own.ip_addresses, 30)
