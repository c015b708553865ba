"""values/multi-namespace by hand: openssl, ssh-keygen, kubectl and plain `helm install`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.cluster import Cluster
from parties import CHARTS, DIGITS, ROOT, final_accuracy, submit

SETUP = ROOT / "values" / "multi-namespace"
CONTROL = 31293
TENANTS = {"north": 3, "south": 2}
SHARES = {"north": (0.0, 0.6), "south": (0.6, 1.0)}

# What the README of values/ says must exist, made with the tools that an administrator has.
CERTIFICATES = """
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /O=hospitals/CN=ca \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
  -keyout ca.key -out ca.crt
issue() {  # issue NAME SUBJECT EXTENSIONS
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" -keyout "$1.key" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -days 2 -extfile <(printf '%s' "$3") -out "$1.crt"
}
fleet=hospitals-superlink-fleet.hospitals.svc.cluster.local
runtime=hospitals-superlink-runtime.hospitals.svc.cluster.local
issue server /CN=hospitals "subjectAltName=DNS:$fleet,DNS:$runtime,IP:$ADDRESS
extendedKeyUsage=serverAuth"
issue client /O=hospitals/OU=submitter/CN=analyst "extendedKeyUsage=clientAuth"
kubectl create secret generic hospitals-superlink-tls --type=kubernetes.io/tls --namespace hospitals \
  --from-file=tls.crt=server.crt --from-file=tls.key=server.key --from-file=ca.crt=ca.crt
openssl rand -hex 32 | tr -d '\\n' > superexec
kubectl create secret generic hospitals-superlink-superexec --namespace hospitals --from-file=secret=superexec
"""
NODE_KEYS = """
for node in $(seq 0 $((NODES - 1))); do
  name=hospitals-$TENANT-$node
  ssh-keygen -q -t ecdsa -b 384 -N '' -C '' -f $name
  ssh-keygen -e -m PKCS8 -f $name > $name.pem
  files="${files:-} --from-file=$name=$name"
done
kubectl create secret generic hospitals-$TENANT-node-keys --namespace $TENANT $files
"""


def shell(script: str, folder: Path, environment: dict[str, str]) -> None:
    """Run commands in a folder. Raises AssertionError with what they said."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"


def filled(file: Path, marks: dict[str, str]) -> str:
    """Return a values file with each marked line filled in: by the node's name, or the CA's certificate."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if "FILL IN: the node's public key" in line:
            name = line.split('"')[1]
            pem = marks[name].replace("\n", "\\n")
            lines.append(f'    "{name}": {{publicKey: "{pem}"}}')
        elif "FILL IN: the CA's certificate" in line:
            lines += [f"    {part}" for part in marks["ca"].splitlines()]
        else:
            assert "FILL IN" not in line, line
            lines.append(line)
    return "\n".join(lines) + "\n"


@pytest.fixture
def folder(cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """Make certificates, keys and Secrets by hand, install the three releases, and return the folder."""
    environment = {**cluster.environment, "ADDRESS": cluster.address}
    with cluster.namespaces("hospitals", "hospitals-tasks", *TENANTS):
        shell(CERTIFICATES, tmp_path, environment)
        for tenant, nodes in TENANTS.items():
            shell(NODE_KEYS, tmp_path, {**environment, "TENANT": tenant, "NODES": str(nodes)})
        marks = {file.stem: file.read_text() for file in tmp_path.glob("hospitals-*.pem")}
        marks["ca"] = (tmp_path / "ca.crt").read_text()
        install("superlink", "hospitals-superlink", "hospitals", tmp_path, environment, marks)
        for tenant in TENANTS:
            install("supernode", f"hospitals-{tenant}", tenant, tmp_path, environment, marks)
        for tenant in TENANTS:
            shell(
                f"kubectl rollout status statefulset/hospitals-{tenant} -n {tenant} --timeout 180s",
                tmp_path,
                environment,
            )
        yield tmp_path


def install(
    chart: str, release: str, namespace: str, folder: Path, environment: dict[str, str], marks: dict[str, str]
) -> None:
    """Install one release from its values, and a second file with what this machine needs."""
    superlink = chart == "superlink"
    source = SETUP / ("coordinator" if superlink else f"tenants/{namespace}") / "values.yaml"
    values, own = folder / f"{release}.yaml", folder / f"{release}-mine.yaml"
    values.write_text(filled(source, marks))
    if superlink:
        own.write_text(
            f"exposure: {{control: {{type: nodePort, host: '{environment['ADDRESS']}', port: {CONTROL}}}}}\n"
        )
    else:
        start, end = SHARES[namespace]
        config = f'share-start = {start}\nshare-end = {end}\naugment = false\nsite = "{namespace}"\n'
        requests = {"cpu": "100m", "memory": "256Mi"}
        own.write_text(json.dumps({"resources": {"requests": requests}, "node": {"config": config}}))
    wait = "--wait --timeout 5m" if superlink else ""
    command = f"helm install {release} {CHARTS / chart} --namespace {namespace} --values {values}"
    shell(f"{command} --values {own} {wait}", folder, environment)


def test_the_copied_setup_trains(folder: Path, cluster: Cluster) -> None:
    """Five nodes in two namespaces train the digits, submitted with a certificate that openssl made."""
    outcome = submit(
        DIGITS,
        *("--address", f"{cluster.address}:{CONTROL}", "--root-certificates", folder / "ca.crt"),
        *("--client-certificate", folder / "client.crt", "--client-key", folder / "client.key"),
        *(
            "--set",
            "min-nodes=5",
            "--set",
            "num-server-rounds=3",
            "--set",
            "accuracy-floor=0.9",
            "--timeout",
            "5m",
        ),
    )
    assert outcome.code == 0, outcome.narration
    assert final_accuracy(outcome) > 0.9
