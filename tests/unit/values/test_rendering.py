"""The charts' values: the text parses back to the data, which is what the charts accept."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowerbed.plan import Plan, TenantProxy
from flowerbed.values import rendering
from flowerbed.values.rendering import render
from flowerbed.values.superlink import superlink_values
from flowerbed.values.supernode import node_configs, supernode_values
from support.paths import CHARTS
from support.plan_variants import NASTY, change, rich_tenant, variants, with_superlink
from support.plans import federation, tenant

VARIANTS = variants()
AUTHORITY = "-----BEGIN CERTIFICATE-----\nMIIB\nAAAA==\n-----END CERTIFICATE-----\n"
PEM = "-----BEGIN PUBLIC KEY-----\nMHYw\n-----END PUBLIC KEY-----\n"
# Values whose keys are names that people choose, and values that are lists: the chart shows neither.
FREE = {"nodes", "users", "tenants", "configs", "fingerprints", "env", "nodeSelector", "requests", "limits"}

each_plan = pytest.mark.parametrize("plan", VARIANTS.values(), ids=VARIANTS)


def coordinator(plan: Plan) -> dict[str, Any]:
    keys = {node.name: PEM for node in plan.nodes}
    neighbours = {tenant.name: tenant.namespace for tenant in plan.tenants}
    return superlink_values(plan, {user.name: user.role for user in plan.users}, keys, neighbours, "ca")


def of_tenants(plan: Plan, authority: str = AUTHORITY) -> list[dict[str, Any]]:
    return [supernode_values(plan, one, {one.nodes[0].name: PEM}, authority) for one in plan.tenants]


@each_plan
def test_the_coordinators_text_is_its_data(plan: Plan) -> None:
    """What the template writes reads back as what was meant, whatever is special about the plan."""
    values = coordinator(plan)
    assert yaml.safe_load(render("superlink.yaml", values)) == values


@each_plan
@pytest.mark.parametrize("authority", [AUTHORITY, ""])
def test_a_tenants_text_is_its_data(plan: Plan, authority: str) -> None:
    """The same for every tenant, with the federation's CA and without."""
    for values in of_tenants(plan, authority):
        assert yaml.safe_load(render("supernode.yaml", values)) == values


@pytest.mark.parametrize("text", NASTY)
def test_any_text_arrives_in_every_place(text: str) -> None:
    """A text that somebody chose arrives verbatim in values, wherever it may stand."""
    north = rich_tenant(context=text, namespace=text, fleet_address=text)
    north = change(north, pod=change(north.pod, node_selector={text: text}, env={text: text}))
    plan = federation(north)
    values = coordinator(plan)
    assert yaml.safe_load(render("superlink.yaml", values)) == values
    values = supernode_values(plan, north, {"hospitals-north-0": text}, text)
    read = yaml.safe_load(render("supernode.yaml", values))
    assert read == values
    assert read["env"] == read["nodeSelector"] == {text: text}
    assert read["superlink"]["address"] == text


def unknown(values: Any, shown: Any, path: str = "") -> list[str]:  # noqa: ANN401
    """Return the paths in `values` that the chart's own values.yaml does not have."""
    if not isinstance(values, dict) or path.rpartition(".")[2] in FREE:
        return []
    missing = [f"{path}.{key}" for key in values if key not in shown]
    return missing + [
        found
        for key, value in values.items()
        if key in shown
        for found in unknown(value, shown[key], f"{path}.{key}")
    ]


@each_plan
def test_the_charts_know_every_key(plan: Plan) -> None:
    """Values say nothing that the chart's values.yaml has no place for."""
    superlink = yaml.safe_load((CHARTS / "superlink" / "values.yaml").read_text())
    supernode = yaml.safe_load((CHARTS / "supernode" / "values.yaml").read_text())
    assert unknown(coordinator(plan), superlink) == []
    assert [found for values in of_tenants(plan) for found in unknown(values, supernode)] == []
    assert unknown({"insecure": {}, "tls": {"bogus": 1}}, superlink) == [".tls.bogus"]


@each_plan
def test_node_config_keeps_its_types(plan: Plan) -> None:
    """Every node gets its config back from TOML, 1, 1.0 and true apart; what all share stands once."""
    for one in plan.tenants:
        config, configs = node_configs(one)
        for node in one.nodes:
            read = tomllib.loads(config) | tomllib.loads(configs.get(str(node.ordinal), ""))
            assert read == node.config
            assert {key: type(value) for key, value in read.items()} == {
                key: type(value) for key, value in node.config.items()
            }


def test_shared_config_stands_once() -> None:
    """What is equal for all nodes, type and all, is not repeated for each."""
    config, configs = node_configs(rich_tenant())
    assert set(tomllib.loads(config)) == {"site", "size", "on", "a b"}
    assert {ordinal: set(tomllib.loads(text)) for ordinal, text in configs.items()} == {
        "0": {"rate"},
        "1": {"rate"},
        "2": {"rate", "only"},
    }


def test_a_template_that_misses_a_value_fails() -> None:
    """A value that is not there is an error, not an empty place."""
    values = coordinator(federation())
    del values["persistence"]["size"]
    with pytest.raises(TypeError, match="StrictUndefined"):
        render("superlink.yaml", values)


@pytest.mark.parametrize(("name", "mode"), [("plain", "listed"), ("open", "open")])
def test_the_coordinator_names_every_node(name: str, mode: str) -> None:
    """Its list is all nodes' public keys, with open admission too; an insecure federation has none."""
    nodes = {node.name: {"publicKey": PEM} for node in VARIANTS[name].nodes}
    assert coordinator(VARIANTS[name])["admission"] == {"mode": mode, "nodes": nodes}
    assert coordinator(VARIANTS["insecure"])["admission"] == {"mode": "open", "nodes": {}}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", {"source": "existingSecret", "existingSecret": "hospitals-superlink-tls", "clientCA": ""}),
        (
            "existing-secret",
            {
                "source": "existingSecret",
                "existingSecret": "theirs",
                "clientCA": "hospitals-superlink-client-ca",
            },
        ),
        ("insecure", {}),
    ],
)
def test_where_the_certificate_comes_from(name: str, expected: dict[str, Any]) -> None:
    """The Secrets' names follow the certificate's source; users' CA has its own where others certify."""
    assert coordinator(VARIANTS[name])["tls"] == expected


def test_cert_manager_is_asked_for_what_the_chart_does_not_know() -> None:
    """Only declared names are passed on: not the Services', and not localhost, which no issuer signs."""
    tls = coordinator(VARIANTS["cert-manager"])["tls"]
    assert tls["certManager"] == {
        "issuerRef": {"name": "public", "kind": "ClusterIssuer", "group": "cert-manager.io"},
        "dnsNames": ["more.example.org"],
        "ipAddresses": ["2001:db8::1"],
        "duration": "8760h",
        "renewBefore": "2920h",
    }
    assert tls["clientCA"] == "hospitals-superlink-client-ca"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", {"type": "cluster"}),
        ("load-balancer", {"type": "loadBalancer", "host": "fleet.example.org", "port": 443}),
        ("node-port", {"type": "nodePort", "host": "2001:db8::1", "port": 30092}),
        (
            "gateway-api",
            {
                "type": "gatewayApi",
                "host": "fleet.example.org",
                "port": 443,
                "parentRefs": [{"name": "edge", "namespace": "gateways"}],
            },
        ),
        ("ingress", {"type": "ingress", "host": "fleet.example.org", "port": 443, "className": "nginx"}),
    ],
)
def test_exposure_in_the_charts_words(name: str, expected: dict[str, Any]) -> None:
    """Each kind of exposure says what its audience dials; one inside the cluster says nothing."""
    exposure = coordinator(VARIANTS[name])["exposure"]
    assert exposure == {"fleet": expected, "control": {"type": "cluster"}}


@pytest.mark.parametrize(
    ("name", "place"),
    [("rich", "resources"), ("process", "superexec"), ("kubernetes", "tasks")],
)
def test_resources_go_where_the_apps_run(name: str, place: str) -> None:
    """A tenant's resources go to its ClientApps: in SuperNode, SuperExec or task pod, there only."""
    values = of_tenants(VARIANTS[name])[0]
    said = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"nvidia.com/gpu": "1"}}
    found = {
        "resources": values["resources"],
        "superexec": values["superexec"]["resources"],
        "tasks": values["tasks"]["resources"],
    }
    assert found == {key: said if key == place else {} for key in found}


def test_the_coordinators_resources_are_its_server_apps() -> None:
    """In task pods with the executor `kubernetes`, else in the SuperExec."""
    rich, kubernetes = coordinator(VARIANTS["rich"]), coordinator(VARIANTS["kubernetes"])
    assert rich["superexec"]["resources"]["limits"] == {"nvidia.com/gpu": "1"}
    assert rich["tasks"] == {"resources": {}}
    assert kubernetes["tasks"]["resources"]["limits"] == {"nvidia.com/gpu": "1"}
    assert kubernetes["superexec"]["resources"] == {}


def test_a_tenant_elsewhere_dials_from_outside() -> None:
    """The SuperLink's namespace shapes the policies of tenants in its own cluster only."""
    plan = VARIANTS["elsewhere"]
    north, south = of_tenants(plan)
    assert (north["superlink"]["namespace"], south["superlink"]["namespace"]) == ("", "hub")
    assert "clusterDomain" not in north


def test_known_networks_are_the_only_ones_to_dial() -> None:
    """Policies allow those alone, for tenants beside the SuperLink and elsewhere."""
    plan = VARIANTS["node-port"]
    away = change(plan, tenants=(change(plan.tenants[0], context="elsewhere"), *plan.tenants[1:]))
    networks = ("2001:db8::1/128", "192.0.2.0/29")
    known = with_superlink(away, fleet=change(away.superlink.fleet, networks=networks))
    for one in (*known.tenants, *plan.tenants):
        values = supernode_values(known, one, {}, "")
        assert values["networkPolicy"] == {"superlinkCidrs": list(networks)}


def test_a_proxy_is_the_only_way_out() -> None:
    """Its values are the chart's, and the SuperLink's address is not opened beside it."""
    plan = VARIANTS["load-balancer"]
    proxy = TenantProxy(https="http://proxy:3128", no_proxy=("a.org",), secret="proxy", networks=("::1/128",))
    values = supernode_values(plan, change(plan.tenants[0], proxy=proxy), {}, "")
    assert values["proxy"] == {
        "url": "http://proxy:3128",
        "existingSecret": "proxy",
        "noProxy": ["a.org"],
        "cidrs": ["::1/128"],
        "namespace": "",
    }
    assert "networkPolicy" not in values
    assert "proxy" not in supernode_values(plan, plan.tenants[0], {}, "")


def test_a_tenant_beside_an_exposed_superlink_may_dial_its_address_and_its_pods() -> None:
    """Within a cluster policies see the pod behind an address; a tenant elsewhere dials the address alone."""
    plan = VARIANTS["load-balancer"]
    away = change(plan, tenants=(change(plan.tenants[0], context="elsewhere"), *plan.tenants[1:]))
    north, south = of_tenants(away)
    assert south["networkPolicy"] == {"superlinkCidrs": ["0.0.0.0/0", "::/0"]}
    assert (south["superlink"]["namespace"], north["superlink"]["namespace"]) == ("hub", "")
    assert "networkPolicy" not in north
    assert "networkPolicy" not in of_tenants(VARIANTS["plain"])[0]


def test_trust_without_a_ca_of_ours() -> None:
    """Where somebody else certifies the SuperLink, nodes trust the public CAs; an insecure one needs none."""
    plan = VARIANTS["existing-secret"]
    assert of_tenants(plan, "")[0]["tls"] == {"systemTrust": True}
    assert of_tenants(plan)[0]["tls"] == {"caCert": AUTHORITY}
    insecure = of_tenants(VARIANTS["insecure"], "")[0]
    assert insecure["tls"] == {}
    assert insecure["keys"] == {"enabled": False, "existingSecret": ""}


def test_fingerprints_change_with_what_they_stand_for() -> None:
    """New keys or a new CA restart the pods; the same ones do not."""
    plan = federation(tenant("north"))
    one, same, other = (
        supernode_values(plan, plan.tenants[0], {"n": key}, authority)["fingerprints"]
        for key, authority in (("a", "ca"), ("a", "ca"), ("b", "ca"))
    )
    assert one == same
    assert one["node-keys"] != other["node-keys"]
    assert one["ca"] == other["ca"]


@pytest.mark.parametrize(
    ("place", "keeps_bytecode", "expected"), [("", True, True), ("", False, False), ("file", True, False)]
)
def test_compiled_templates_are_kept_where_python_keeps_its_own(
    place: str, keeps_bytecode: bool, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Templates are compiled once where that may be written down, and each time where it may not."""
    (tmp_path / "file").touch()
    for template in rendering.TEMPLATES.glob("*.j2"):
        (tmp_path / template.name).write_bytes(template.read_bytes())
    monkeypatch.setattr(rendering, "TEMPLATES", tmp_path / place)
    monkeypatch.setattr(sys, "dont_write_bytecode", not keeps_bytecode)
    cache = rendering._bytecode_cache()
    assert (cache is not None) == expected
    if cache is not None:
        monkeypatch.setattr(rendering, "_environment", rendering._environment.__wrapped__)
        values = coordinator(federation())
        first = render("superlink.yaml", values)
        (kept,) = (tmp_path / "__pycache__").iterdir()
        written = kept.stat().st_mtime_ns
        assert render("superlink.yaml", values) == first
        assert kept.stat().st_mtime_ns == written
