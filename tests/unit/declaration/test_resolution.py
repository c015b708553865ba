"""The plan: every default, name and address filled in."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml

from flowerbed import names
from flowerbed.plan import Endpoint, LocalPorts, Plan, SecretUse, TenantProxy, User
from support.declarations import FULL, SMALL, plan_of


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


def test_the_proxy_of_a_tenant(tmp_path: Path) -> None:
    """It is what was declared, networks in their canonical form; without one there is none."""
    said = (
        'https: "http://proxy.a.org:3128/", no-proxy: [.b.org], secret: proxy, '
        'networks: ["2001:DB8:0::/64", "2001:db8::/64"], namespace: egress'
    )
    text = SMALL.replace("nodes: 2}", f"nodes: 2, proxy: {{{said}}}}}")
    (tenant,) = plan_of(text, tmp_path).tenants
    assert tenant.proxy == TenantProxy(
        https="http://proxy.a.org:3128",
        no_proxy=(".b.org",),
        secret="proxy",
        networks=("2001:db8::/64",),
        namespace="egress",
    )
    assert plan_of(SMALL, tmp_path).tenants[0].proxy is None


@pytest.mark.parametrize(
    ("said", "networks"),
    [
        ("host: a.org", ()),
        ("host: 10.0.0.1", ("10.0.0.1/32",)),
        ('host: "2001:DB8:0::1"', ("2001:db8::1/128",)),
        ('host: "::ffff:10.0.0.1"', ()),  # policies refuse it, so it cannot be the only one
        (
            'host: a.org, networks: [10.0.0.0/29, "2001:DB8:0::/64", "2001:db8::/64"]',
            ("10.0.0.0/29", "2001:db8::/64"),
        ),
        ("host: 10.0.0.1, networks: [10.9.0.1/32]", ("10.9.0.1/32",)),
    ],
)
def test_what_nodes_may_dial(tmp_path: Path, said: str, networks: tuple[str, ...]) -> None:
    """The declared networks, else the host where it is an address; users' exposure has none."""
    exposure = f"{{type: load-balancer, {said}}}"
    superlink = plan_of(f"{SMALL}superlink: {{exposure: {{fleet: {exposure}}}}}\n", tmp_path).superlink
    assert superlink.fleet.networks == networks
    assert superlink.control.networks == ()


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


def test_equal_declarations_give_equal_bytes(tmp_path: Path) -> None:
    """The plan's text depends on the declaration's meaning, not on how the YAML is written."""
    first = plan_of(FULL, tmp_path)
    second = plan_of(yaml.safe_dump(yaml.safe_load(FULL), sort_keys=False), tmp_path)
    assert msgspec.json.encode(first) == msgspec.json.encode(second)
    assert msgspec.json.decode(msgspec.json.encode(first), type=Plan) == first


@pytest.mark.parametrize(
    ("more", "executor"),
    [
        ("users: [{name: ann}]", "deployment"),
        ("users: [{name: ann}, {name: eve, role: viewer}]", "deployment"),
        ("users: [{name: ann}, {name: bob, role: operator}]", "kubernetes"),
        ("insecure: true", "deployment"),
        ("users: [{name: ann}, {name: bob}]\nsuperlink: {executor: sidecar}", "sidecar"),
        ("users: [{name: ann}]\nsuperlink: {executor: kubernetes}", "kubernetes"),
    ],
)
def test_server_apps_of_several_users_run_apart(more: str, executor: str, tmp_path: Path) -> None:
    """More than one user who may submit means one Pod per task, unless something else is declared."""
    assert plan_of(f"{SMALL}{more}\n", tmp_path).superlink.executor == executor
