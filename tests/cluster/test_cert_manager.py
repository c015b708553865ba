"""cert-manager certifies the gateway by a CA of the house: its own controllers issue and renew here."""

from __future__ import annotations

import hashlib
import json
import ssl
import subprocess
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from applied import Applied
from followed_runs import rounds_of, running, wait_until
from harness.cluster import Cluster
from harness.components import cert_manager

from flowerbed.identities import CertificateAuthority
from flowerbed.identities.ca_bundle import fingerprints_of

CONTROL = 31998
SPACE, TENANT = "issued", "issued-clinic"
ISSUER, CERTIFICATE = "house", "issued-superlink-tls"
TEXT = """
version: 1
name: issued
superlink:
  namespace: issued
  exposure: {{control: {{type: node-port, host: {host}, port: {port}}}}}
  tls:
    source: cert-manager
    issuer: house
    ca: |
{ca}
tenants: [{{name: clinic, namespace: issued-clinic, nodes: 1}}]
users: [{{name: analyst, role: submitter}}]
"""


@contextmanager
def controllers(cluster: Cluster) -> Iterator[None]:
    """Run cert-manager beside the cluster, as long as this goes on."""
    program, kinds = cert_manager()
    files = [word for file in kinds for word in ("--filename", file)]
    cluster.kubectl("apply", "--server-side", *files)
    try:
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen([program, cluster.kubeconfig], stdout=log, stderr=log)
            try:
                yield
                assert process.poll() is None, log.seek(0) or log.read()[-3000:]
            finally:
                process.terminate()
                process.wait(30)
    finally:
        cluster.kubectl("delete", "--wait=false", *files)


@pytest.fixture(scope="module")
def house() -> CertificateAuthority:
    """Return a CA that Flowerbed does not keep."""
    return CertificateAuthority.create("house")


@pytest.fixture(scope="module")
def applied(
    cluster: Cluster, house: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Applied]:
    """Apply a federation whose certificate comes from the house's issuer."""
    if not cluster.built:
        pytest.skip("cert-manager's kinds are only put into clusters that are built here")
    ca = house.certificate.decode()
    text = TEXT.format(host=cluster.address, port=CONTROL, ca=textwrap.indent(ca, " " * 6))
    with controllers(cluster), cluster.namespaces(SPACE, TENANT):
        pair = {"tls.crt": ca, "tls.key": house.private_key.decode()}
        meta = {"name": ISSUER, "namespace": SPACE}
        cluster.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": pair},
            {
                "apiVersion": "cert-manager.io/v1",
                "kind": "Issuer",
                "metadata": meta,
                "spec": {"ca": {"secretName": ISSUER}},
            },
        )
        found = Applied(tmp_path_factory.mktemp("issued"), text, cluster.environment)
        found.run("apply")
        yield found


def test_the_houses_ca_is_known_to_every_party(applied: Applied, house: CertificateAuthority) -> None:
    """`apply` alone brings it to the tenant; the gateway shows what cert-manager issued, by its names."""
    found = applied.status()
    assert [node["state"] for node in found["nodes"]] == ["online"]
    assert {endpoint["audience"] for endpoint in found["endpoints"]} == {"fleet", "control"}
    for endpoint in found["endpoints"]:
        assert not endpoint["problem"]
        assert endpoint["ca_fingerprints"] == list(fingerprints_of(house.certificate))
        assert endpoint["address"].rpartition(":")[0] in endpoint["tls_names"]


def test_a_renewal_costs_no_round(
    applied: Applied, cluster: Cluster, record_property: Callable[[str, object], None]
) -> None:
    """cert-manager issues anew in the middle of a run: the gateway shows it, and every round is full."""
    before = shown(cluster)
    with running(applied.federation, rounds=4, work=3.0, nodes=1) as run:
        run.wait_for("BEGIN", 1)
        renew(cluster)
        seconds = wait_until("the new certificate", lambda: shown(cluster) != before, 150)
        outcome = run.end()
    record_property("renewed", f"shown {seconds:.1f} s after it was asked for; rounds: {rounds_of(run)}")
    assert outcome["status"] == "completed", outcome
    assert [told["failed"] for told in run.told("ROUND")] == [[]] * 4
    assert applied.status()["healthy"]


def test_doctor_reads_the_issuer(applied: Applied, cluster: Cluster) -> None:
    """It is ready; one that is not there, or cannot reach its CA, is a problem with its remedy."""

    def said() -> dict[str, str]:
        found = json.loads(applied.run("doctor", "--json", "--party", "coordinator", code=None))["findings"]
        (one,) = [one for one in found if "ssuer" in one["where"]]
        return {key: one[key] for key in ("level", "what", "where")}

    declared = applied.file.read_text()
    where = "coordinator: Issuer house"
    assert said() == {"level": "ok", "what": "is ready", "where": where}
    try:
        applied.declare(declared.replace("issuer: house", "issuer: elsewhere"))
        assert said()["what"] == f"is not there in namespace {SPACE}"
        server = "https://acme-v02.api.letsencrypt.org/directory"
        account = {"name": "public-account"}
        acme = {"server": server, "privateKeySecretRef": account, "solvers": [{"http01": {"ingress": {}}}]}
        cluster.apply(
            {
                "apiVersion": "cert-manager.io/v1",
                "kind": "ClusterIssuer",
                "metadata": {"name": "public"},
                "spec": {"acme": acme},
            }
        )
        applied.declare(declared.replace("issuer: house", "issuer: ClusterIssuer/public"))
        found = said()
        assert (found["level"], found["where"]) == ("problem", "coordinator: ClusterIssuer public")
        assert found["what"].startswith("is not ready: ")
    finally:
        applied.declare(declared)


def shown(cluster: Cluster) -> str:
    """Return the SHA-256 of the certificate that the gateway shows to users."""
    text = ssl.get_server_certificate((cluster.address, CONTROL), timeout=10)
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest()


def renew(cluster: Cluster) -> None:
    """Ask for a new certificate as `cmctl renew` does, and have the kubelet carry it into the pod at once."""
    issued = cluster.get("secret", CERTIFICATE, "-n", SPACE)["data"]["tls.crt"]
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    asked = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "asked for"}
    patch = json.dumps({"status": {"conditions": [{**asked, "lastTransitionTime": moment}]}})
    words = ("certificate", CERTIFICATE, "-n", SPACE, "--subresource=status", "--type=merge", "-p", patch)
    cluster.kubectl("patch", *words)
    wait_until(
        "the Secret",
        lambda: cluster.get("secret", CERTIFICATE, "-n", SPACE)["data"]["tls.crt"] != issued,
        60,
    )
    refreshed = f"flowerbed/refreshed={moment}"
    cluster.kubectl("annotate", "pod", f"{SPACE}-superlink-0", "-n", SPACE, "--overwrite", refreshed)
