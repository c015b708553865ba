"""The plan: every default, name and address filled in."""

from __future__ import annotations

import ipaddress
import random
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from flowerbed import names
from flowerbed.declaration import load_plan
from flowerbed.plan import Endpoint, LocalPorts, Plan, SecretUse, User

SMALL = "version: 1\nname: hospitals\ntenants: [{name: north, nodes: 2}]\n"
FULL = """\
version: 1
name: hospitals
flower: "1.41"
admission: open
superlink:
  namespace: hub-space
  context: hub
  cluster-domain: corp.local
  exposure:
    fleet: {type: load-balancer, host: Fleet.Example.org, port: 443, class: public}
    control: {type: gateway-api, host: control.example.org, class: infra/public}
  tls:
    source: cert-manager
    issuer: ClusterIssuer/ca
    names: [10.1.2.3, "*.example.org", "2001:DB8::1"]
    days: 30
  storage: {size: 1.5Ti, class: fast}
  executor: sidecar
  profile: small
  resources: {limits: {memory: 4Gi}}
  env: {B: own}
  secrets: [{name: registry, mount: /secret}]
tenants:
  - name: north
    namespace: north-space
    context: north-cluster
    nodes: [{config: {batch-size: 64}}, {}]
    config: {site: "Hôpital Nord", batch-size: 32}
    isolation: process
    executor: kubernetes
    data: [{claim: scans, mount: /data}, {claim: out, mount: /out, read-only: false}]
    node-selector: {disk: ssd}
    tolerations: [{key: gpu, operator: Exists, effect: NoExecute, toleration-seconds: 60}]
  - {name: south, nodes: 1, isolation: process}
users: [{name: analyst}, {name: boss, role: operator}]
profiles:
  small:
    resources: {requests: {cpu: 0.5, memory: 1Gi}, limits: {memory: 2Gi, nvidia.com/gpu: 1}}
    node-selector: {zone: a}
    env: {A: profile, B: profile}
    tolerations: [{key: spot}]
local: {ports: {fleet: 9092}}
"""


def plan_of(text: str, folder: Path) -> Plan:
    file = folder / "federation.yaml"
    file.write_text(text)
    return load_plan(file)


def test_the_smallest_declaration_gets_every_default(tmp_path: Path) -> None:
    """Three lines make a whole plan: listed admission, TLS, and everything inside the cluster."""
    plan = plan_of(SMALL, tmp_path)
    superlink, tenant = plan.superlink, plan.tenants[0]
    assert (plan.flower, plan.admission, plan.insecure, plan.users) == ("1.41", "listed", False, ())
    assert (superlink.release, superlink.namespace, superlink.context) == (
        "hospitals-superlink",
        "hospitals",
        "",
    )
    assert superlink.fleet == Endpoint(
        type="cluster",
        host="hospitals-superlink-fleet.hospitals.svc.cluster.local",
        port=9092,
        service="hospitals-superlink-fleet",
        listen_port=9092,
    )
    assert superlink.control.address == "hospitals-superlink-control.hospitals.svc.cluster.local:9093"
    assert superlink.runtime.address == "hospitals-superlink-runtime.hospitals.svc.cluster.local:9091"
    assert (superlink.executor, superlink.storage.size, superlink.storage.storage_class) == (
        "deployment",
        "10Gi",
        "",
    )
    assert (superlink.superexec_secret, superlink.tls.secret) == (
        "hospitals-superlink-superexec",
        "hospitals-superlink-tls",
    )
    assert (tenant.release, tenant.namespace, tenant.context) == ("hospitals-north", "north", "")
    assert (tenant.keys, tenant.keys_secret) == ("generated", "hospitals-north-node-keys")
    assert (tenant.isolation, tenant.executor) == ("subprocess", "sidecar")
    assert tenant.fleet_address == superlink.fleet.address
    assert [node.name for node in plan.nodes] == ["hospitals-north-0", "hospitals-north-1"]
    assert tenant.node_config(tenant.nodes[1]) == {"partition-id": 1, "num-partitions": 2}
    assert plan.local == LocalPorts(fleet=0, control=0, runtime=0)


def test_the_certificate_names_everything_that_is_dialled(tmp_path: Path) -> None:
    """Every form of every Service's name, the hosts, the extra names and the loopback are in it, once."""
    tls = plan_of(FULL, tmp_path).superlink.tls
    services = [
        name
        for audience in ("fleet", "control", "runtime")
        for name in names.service_names(f"hospitals-superlink-{audience}", "hub-space", "corp.local")
    ]
    assert list(tls.dns_names) == [
        *services,
        "fleet.example.org",
        "control.example.org",
        "*.example.org",
        "localhost",
    ]
    assert tls.ip_addresses == ("10.1.2.3", "2001:db8::1", "127.0.0.1", "::1")
    assert (tls.source, tls.issuer, tls.days, tls.secret) == (
        "cert-manager",
        "ClusterIssuer/ca",
        30,
        "hospitals-superlink-tls",
    )


def test_outside_addresses_are_what_parties_dial(tmp_path: Path) -> None:
    """An exposed audience is dialled by host and port; its Service keeps its own port."""
    superlink = plan_of(FULL, tmp_path).superlink
    assert superlink.fleet == Endpoint(
        type="load-balancer",
        host="fleet.example.org",
        port=443,
        service="hospitals-superlink-fleet",
        listen_port=9092,
        class_name="public",
    )
    assert superlink.control.address == "control.example.org:443"
    assert superlink.runtime.host == "hospitals-superlink-runtime.hub-space.svc.corp.local"


@pytest.mark.parametrize(
    ("exposure", "address"),
    [
        ("{type: load-balancer, host: a.org}", "a.org:9092"),
        ("{type: ingress, host: a.org}", "a.org:443"),
        ("{type: gateway-api, host: a.org, class: g}", "a.org:443"),
        ("{type: node-port, host: 10.0.0.1, port: 30092}", "10.0.0.1:30092"),
        ('{type: load-balancer, host: "2001:DB8:0::1", port: 7}', "[2001:db8::1]:7"),
    ],
)
def test_default_ports_by_type(tmp_path: Path, exposure: str, address: str) -> None:
    """Each type has the port that its users expect; IPv6 addresses are bracketed, in their shortest form."""
    plan = plan_of(f"{SMALL}superlink: {{exposure: {{fleet: {exposure}}}}}\n", tmp_path)
    assert plan.superlink.fleet.address == address
    assert plan.tenants[0].fleet_address == address


def test_node_config_merges_the_tenants_and_the_nodes_own(tmp_path: Path) -> None:
    """A node's own config wins over its tenant's; types stay as declared."""
    north = plan_of(FULL, tmp_path).tenants[0]
    assert [node.config for node in north.nodes] == [
        {"site": "Hôpital Nord", "batch-size": 64},
        {"site": "Hôpital Nord", "batch-size": 32},
    ]
    assert north.node_config(north.nodes[0])["num-partitions"] == 2


def test_profiles_are_the_base_of_what_is_said(tmp_path: Path) -> None:
    """Resources, labels, tolerations and environment of a profile are merged, the party's own words win."""
    plan = plan_of(FULL, tmp_path)
    pod = plan.superlink.pod
    assert pod.resources.requests == {"cpu": "0.5", "memory": "1Gi"}
    assert pod.resources.limits == {"memory": "4Gi", "nvidia.com/gpu": "1"}
    assert pod.env == {"A": "profile", "B": "own"}
    assert pod.node_selector == {"zone": "a"}
    assert pod.tolerations == ({"key": "spot", "operator": "Equal"},)
    own = plan.tenants[0].pod
    assert own.node_selector == {"disk": "ssd"}
    assert own.tolerations == (
        {"effect": "NoExecute", "key": "gpu", "operator": "Exists", "tolerationSeconds": 60},
    )


def test_everything_else_arrives_as_declared(tmp_path: Path) -> None:
    """Places, volumes, Secrets, executors, users and local ports are those of the declaration."""
    plan = plan_of(FULL, tmp_path)
    north, south = plan.tenants
    assert (plan.superlink.namespace, plan.superlink.context) == ("hub-space", "hub")
    assert (north.namespace, north.context, north.executor) == ("north-space", "north-cluster", "kubernetes")
    assert (south.namespace, south.context, south.executor) == ("south", "hub", "sidecar")
    assert [(volume.claim, volume.mount, volume.read_only) for volume in north.data] == [
        ("scans", "/data", True),
        ("out", "/out", False),
    ]
    assert plan.superlink.secrets == (SecretUse(name="registry", env=False, mount="/secret"),)
    assert plan.users == (User(name="analyst", role="submitter"), User(name="boss", role="operator"))
    assert plan.local.fleet == 9092
    assert (plan.superlink.storage.size, plan.superlink.storage.storage_class) == ("1.5Ti", "fast")


def test_insecure_means_open(tmp_path: Path) -> None:
    """Without keys there is nothing to list, so admission is open unless it says so itself."""
    assert plan_of(SMALL + "insecure: true\n", tmp_path).admission == "open"


def forms(seed: int) -> tuple[str, str]:
    """Return a public key as an OpenSSH line and as PEM with an indented, Windows-ended text."""
    key = ec.derive_private_key(seed, ec.SECP384R1()).public_key()
    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() + " somebody@laptop"
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return line, pem.replace("\n", "\r\n    ")


@pytest.mark.parametrize(
    "curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name
)
def test_brought_keys_have_one_form(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    """OpenSSH lines and PEM become the same canonical PEM, which Flower compares byte by byte."""
    key = ec.derive_private_key(11, curve).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    for written in (pem, f"\n{pem}\n", line, f"{line} me@laptop", pem.replace("\n", "\r\n  ")):
        nodes = [{"public-key": written}]
        data = {"version": 1, "name": "a", "tenants": [{"name": "n", "nodes": nodes, "keys": "brought"}]}
        (node,) = plan_of(yaml.safe_dump(data), tmp_path).nodes
        assert node.public_key == pem
        assert load_pem_public_key(node.public_key.encode()) == key


def test_brought_keys_keep_the_order_of_the_nodes(tmp_path: Path) -> None:
    """The first public key is the first node's."""
    keys = [forms(seed)[seed % 2] for seed in (1, 2, 3)]
    data = {
        "version": 1,
        "name": "a",
        "tenants": [{"name": "n", "nodes": 3, "keys": "brought", "public-keys": keys}],
    }
    found = [node.public_key for node in plan_of(yaml.safe_dump(data), tmp_path).nodes]
    assert found == [
        ec.derive_private_key(seed, ec.SECP384R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode()
        for seed in (1, 2, 3)
    ]


def test_equal_declarations_give_equal_bytes(tmp_path: Path) -> None:
    """The plan's text depends on the declaration's meaning, not on how the YAML is written."""
    first = plan_of(FULL, tmp_path)
    second = plan_of(yaml.safe_dump(yaml.safe_load(FULL), sort_keys=False), tmp_path)
    assert msgspec.json.encode(first) == msgspec.json.encode(second)
    assert msgspec.json.decode(msgspec.json.encode(first), type=Plan) == first


def a_name(chosen: random.Random, limit: int) -> str:
    inside = "".join(chosen.choices("abcxyz0189-", k=chosen.randint(0, limit - 2)))
    return chosen.choice("abz") + inside + chosen.choice("az09")


def a_config(chosen: random.Random) -> dict[str, Any]:
    letters = "aZ0 é日🌻:#'\"{}[]\\\n\t$%&*!|>"
    kinds = [
        lambda: "".join(chosen.choices(letters, k=chosen.randint(0, 12))),
        lambda: chosen.randint(-(2**63), 2**63 - 1),
        lambda: chosen.uniform(-1e9, 1e9),
        lambda: chosen.random() < 0.5,
    ]
    return {f"key-{index}": chosen.choice(kinds)() for index in range(chosen.randint(0, 5))}


def a_federation(seed: int) -> dict[str, Any]:
    """Return a valid declaration as data, always the same for a seed."""
    chosen = random.Random(seed)
    taken = {f"{a_name(chosen, 20)}{index}" for index in range(chosen.randint(1, 8))}
    tenants = []
    for name in sorted(taken):
        nodes: int | list[dict[str, Any]] = chosen.randint(1, 4)
        if chosen.random() < 0.4:
            nodes = [{"config": a_config(chosen)} for _ in range(nodes)]
        tenants.append(
            {"name": name, "nodes": nodes, "config": a_config(chosen), "namespace": a_name(chosen, 63)}
        )
    users = [
        {"name": f"{a_name(chosen, 30)}{index}", "role": "viewer"} for index in range(chosen.randint(0, 3))
    ]
    return {"version": 1, "name": a_name(chosen, 25), "tenants": tenants, "users": users}


@pytest.mark.parametrize("seed", range(80))
def test_random_federations_arrive_whole(seed: int, tmp_path: Path) -> None:
    """Names and config of any valid declaration arrive as declared; derived names are fit for Kubernetes."""
    data = a_federation(seed)
    plan = plan_of(yaml.safe_dump(data, allow_unicode=bool(seed % 2)), tmp_path)
    assert [user.name for user in plan.users] == [user["name"] for user in data["users"]]
    for tenant, said in zip(plan.tenants, data["tenants"], strict=True):
        specs = said["nodes"] if isinstance(said["nodes"], list) else [{}] * said["nodes"]
        expected = [{**said["config"], **spec.get("config", {})} for spec in specs]
        assert [node.config for node in tenant.nodes] == expected
        assert [type(v) for n in tenant.nodes for v in n.config.values()] == [
            type(v) for c in expected for v in c.values()
        ]
    objects = [tenant.release for tenant in plan.tenants] + [node.name for node in plan.nodes]
    objects += [plan.superlink.fleet.service, plan.superlink.control.service, plan.superlink.runtime.service]
    assert len(set(objects)) == len(objects)
    assert all(len(name) <= names.DNS_LABEL_LIMIT for name in objects)
    assert all(ipaddress.ip_address(address) for address in plan.superlink.tls.ip_addresses)


def seconds_for(tenants: int, folder: Path) -> float:
    entries = "".join(
        f"  - {{name: t{index}, nodes: 2, config: {{site: s{index}}}}}\n" for index in range(tenants)
    )
    file = folder / f"{tenants}.yaml"
    file.write_text(f"version: 1\nname: a\ntenants:\n{entries}")
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        load_plan(file)
        best = min(best, time.process_time() - start)
    return best


def test_work_grows_with_the_tenants_and_no_faster(tmp_path: Path) -> None:
    """Eight times the tenants take about eight times the work (a square would be sixty-four)."""
    assert seconds_for(2_000, tmp_path) < 20 * seconds_for(250, tmp_path)
