"""Who is let in, and whom one trusts: listed and open admission, two CAs at once, the trust store, no TLS."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest
from applied import Applied
from followed_runs import wait_until
from harness.cluster import Cluster
from harness.pki import Authority
from parties import CHARTS, DIGITS, HALVES, final_accuracy, submit

from flowerbed.runs import NodeRecord, list_nodes, load_connection

CONTROL = 31793
# One node alone gets to 0.93 in two rounds.
ALONE = {"min-nodes": 1, "num-server-rounds": 2, "accuracy-floor": 0.85}
SHORT: tuple[str, ...] = (
    *(word for key, value in ALONE.items() for word in ("--set", f"{key}={value}")),
    *("--timeout", "5m", "--require-all-replies"),
)
Record = Callable[[str, object], None]


def declaration(address: str, *, admission: str = "listed", tls: str = "", trust: str = "") -> str:
    """Return a declaration with one tenant of one node; `tls` and `trust` say who certifies the SuperLink."""
    return f"""
version: 1
name: doors
admission: {admission}
superlink:
  namespace: doors
  exposure: {{control: {{type: node-port, host: {address}, port: {CONTROL}}}}}
{tls}
tenants:
  - {{name: north, namespace: doors-north, nodes: 1, config: {HALVES[0]}{trust}}}
users: [{{name: analyst, role: submitter}}]
"""


@pytest.fixture(scope="module")
def doors(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    """Install the federation with listed admission."""
    with cluster.namespaces("doors", "doors-north"):
        text = declaration(cluster.address)
        applied = Applied(tmp_path_factory.mktemp("doors"), text, cluster.environment)
        applied.run("apply")
        yield applied


@pytest.fixture(scope="module")
def visitor(doors: Applied, cluster: Cluster) -> str:
    """Install a SuperNode that nobody declared and that makes a key of its own; return its pod's name."""
    (tenant,) = doors.federation.tenants
    own = {"keys": {"enabled": False, "existingSecret": ""}, "node": {"config": half(1)}}
    file = tenant.bundle.parent.parent / "visitor.json"
    file.write_text(json.dumps(own))
    tenant.run(
        f"helm install doors-visitor {CHARTS / 'supernode'} --namespace {tenant.namespace}"
        f" --values values.yaml --values {file}"
    )
    return "doors-visitor-0"


def half(number: int) -> str:
    """Return the node config, as TOML, of who holds a part of the digits."""
    start, end = ((0.0, 0.6), (0.6, 1.0))[number]
    return f'site = "visitor"\nshare-start = {start}\nshare-end = {end}\naugment = false\n'


def nodes(doors: Applied) -> list[NodeRecord]:
    """Return the nodes that the SuperLink sees online."""
    found = list_nodes(load_connection(doors.federation.connection()))
    return [node for node in found if node.status == "online"]


def warnings(found: dict[str, list[dict[str, str]]]) -> str:
    """Return the warnings of a status."""
    return "\n".join(each["what"] for each in found["findings"] if each["level"] == "warning")


def test_listed_admission_refuses_a_visitor(doors: Applied, visitor: str, cluster: Cluster) -> None:
    """The gateway tells it why; the declared one is online, and nobody else."""

    def words() -> str:
        (state,) = cluster.get("pod", visitor, "-n", "doors-north")["status"].get("containerStatuses") or [{}]
        ended = state.get("lastState", {}).get("terminated") or state.get("state", {}).get("terminated")
        return str((ended or {}).get("message", ""))

    wait_until("the refusal", lambda: "admits declared keys only" in words(), 60)
    assert [node.name for node in nodes(doors)] == ["doors-north-0"]
    assert [said.partition(" (")[0] for said in warnings(doors.status()).splitlines()] == [
        "isolation subprocess"
    ]


def test_open_admission_lets_it_in(
    doors: Applied, visitor: str, cluster: Cluster, record_property: Record
) -> None:
    """One word changed, the same SuperNode joins without being listed, and both learn the digits."""
    doors.declare(declaration(cluster.address, admission="open"))
    doors.run("apply")
    cluster.kubectl("delete", "pod", visitor, "-n", "doors-north")  # else it waits out its back-off
    seconds = wait_until("both nodes", lambda: len(nodes(doors)) == 2, 90)
    record_property("visitor online", f"{seconds:.1f} s after its pod was made anew")
    found = doors.status()
    assert "OPEN ADMISSION" in warnings(found)
    assert "online without being declared: 1" in warnings(found)
    assert [(node["state"], node["source"]) for node in found["nodes"]] == [("online", "superlink")]
    outcome = doors.federation.submit(
        DIGITS, "--set", "min-nodes=2", "--set", "num-server-rounds=3", "--set", "accuracy-floor=0.9"
    )
    assert (outcome.code, outcome.result["status"]) == (0, "completed"), outcome.narration
    assert final_accuracy(outcome) > 0.9


@pytest.mark.usefixtures("visitor")
def test_a_closed_door_puts_the_visitor_out(doors: Applied, cluster: Cluster) -> None:
    """Listed again, the registrar unregisters whom nobody declared; the declared node keeps its id."""
    before = {node.name: node.node_id for node in nodes(doors)}
    doors.declare(declaration(cluster.address))
    doors.run("apply")
    wait_until("the declared node alone", lambda: [one.name for one in nodes(doors)] == ["doors-north-0"], 90)
    assert nodes(doors)[0].node_id == before["doors-north-0"]
    cluster.helm("uninstall", "doors-visitor", "--namespace", "doors-north", "--wait")


def test_a_bundle_of_two_cas_trusts_both(doors: Applied, cluster: Cluster, record_property: Record) -> None:
    """Once every party holds old and new CA, the new one signs: the node stays, untouched, and works."""

    def pod() -> str:
        return str(cluster.get("pod", "doors-north-0", "-n", "doors-north")["metadata"]["uid"])

    doors.declare(declaration(cluster.address))
    doors.run("rotate", "ca")
    doors.run("apply")
    ca = doors.federation.tenants[0].bundle / "ca.crt"
    assert ca.read_text().count("BEGIN CERTIFICATE") == 2
    by_old = {endpoint["fingerprint"] for endpoint in doors.status()["endpoints"]}
    uid = pod()
    started = time.monotonic()
    doors.run("rotate", "ca", "--distributed")
    doors.run("apply", "--party", "coordinator")
    record_property("the new CA signs", f"applied after {time.monotonic() - started:.0f} s")
    wait_until(
        "the new certificate",
        lambda: not by_old & {endpoint["fingerprint"] for endpoint in doors.status()["endpoints"]},
        60,
    )
    outcome = doors.federation.submit(DIGITS, *SHORT)
    assert (outcome.code, outcome.result["status"]) == (0, "completed"), outcome.narration
    assert final_accuracy(outcome) > ALONE["accuracy-floor"]
    assert pod() == uid


def test_a_ca_in_the_trust_store_is_enough(doors: Applied, cluster: Cluster) -> None:
    """A PKI of one's own, and no CA in the values: SSL_CERT_FILE names it to node, user and `status`."""
    (tenant,) = doors.federation.tenants
    folder = doors.file.parent / "pki"
    own = Authority(folder)
    service = "doors-superlink-{}.doors.svc.cluster.local"
    names = tuple(service.format(audience) for audience in ("fleet", "control", "runtime"))
    certificate, key = own.issue("server", "doors", (), (*names, cluster.address))
    given = {"tls.crt": certificate, "tls.key": key, "ca.crt": own.file}
    files = [f"--from-file={name}={file}" for name, file in given.items()]
    secret = ("create", "secret", "generic")
    cluster.kubectl(*secret, "doors-pki", "--type=kubernetes.io/tls", "-n", "doors", *files)
    cluster.kubectl(*secret, "doors-roots", "-n", tenant.namespace, files[-1])
    text = declaration(
        cluster.address,
        tls="  tls: {source: existing-secret, secret: doors-pki}",
        trust=", env: {SSL_CERT_FILE: /trust/ca.crt}, secrets: [{name: doors-roots, mount: /trust}]",
    )
    doors.declare(text)
    trusting = {**doors.environment, "SSL_CERT_FILE": str(own.file)}
    doors.run("apply")
    assert "systemTrust: true" in (tenant.bundle / "values.yaml").read_text()
    arguments = ("--connection", str(doors.federation.connection()), *SHORT)
    refused = submit(DIGITS, *arguments)
    assert refused.code == 3, refused.narration
    assert "not trusted" in refused.narration
    outcome = submit(DIGITS, *arguments, environment=trusting)
    assert (outcome.code, outcome.result["status"]) == (0, "completed"), outcome.narration
    assert final_accuracy(outcome) > ALONE["accuracy-floor"]
    assert "wrong CA" in json.dumps(doors.status(code=1)["findings"])
    assert Applied(doors.file.parent, text, trusting).status()["healthy"]


PLAIN = f"""
version: 1
name: plain
insecure: true
superlink: {{namespace: plain, executor: sidecar}}
tenants: [{{name: north, namespace: plain, nodes: 1, config: {HALVES[0]}}}]
"""


def test_an_insecure_federation_trains_inside_its_cluster(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By its open word it is installed, says what it is, and runs an app that a pod beside it submits."""
    with cluster.removed("plain"):
        plain = Applied(tmp_path_factory.mktemp("plain"), PLAIN, cluster.environment)
        plain.run("apply")
        found = plain.status()
        assert (found["insecure"], "INSECURE" in warnings(found)) == (True, True)
        assert plain.run("status", "--cluster").startswith("plain on Kubernetes: healthy (INSECURE: no TLS")
        files = [DIGITS / "pyproject.toml", *sorted(DIGITS.glob("digits/*.py"))]
        values = {
            "insecure": True,
            "superlink": {
                "address": "plain-superlink-control.plain.svc.cluster.local:9093",
                "namespace": "plain",
            },
            "app": {"inline": {str(file.relative_to(DIGITS)): file.read_text() for file in files}},
            "runConfig": "".join(f"{key} = {value}\n" for key, value in ALONE.items()),
        }
        file = plain.file.with_name("run.json")
        file.write_text(json.dumps(values))
        cluster.helm("install", "run", str(CHARTS / "app"), "--namespace", "plain", "--values", str(file))
        job = ("job", "-l", "app.kubernetes.io/instance=run", "-n", "plain")
        cluster.kubectl("wait", "--for=condition=complete", "--timeout=180s", *job)
