"""Generated bundles and the charts fit: the values render, and every Secret that they ask for is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization

from flowerbed.bundles import generate
from flowerbed.cluster.party import OWN_VALUES, VALUES
from flowerbed.declaration import load_plan
from flowerbed.identities import NodeKey
from flowerbed.plan import Plan
from support.chart_release import HELMS, Release, render

KEY = serialization.load_pem_public_key(NodeKey.generate().public)
BROUGHT = KEY.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
# Declarations by what is special about them; `superlink` and `tenant` are what they say of either.
SETUPS: dict[str, tuple[str, str, str]] = {
    "plain": ("", "", "nodes: 2"),
    "process": ("", "executor: sidecar", "nodes: 2, isolation: process"),
    "deployment": ("", "executor: deployment", "nodes: 2, isolation: process, executor: deployment"),
    "kubernetes": ("", "executor: kubernetes", "nodes: 2, isolation: process, executor: kubernetes"),
    "insecure": ("insecure: true", "", "nodes: 1, isolation: process, executor: deployment"),
    "open": ("admission: open", "", "nodes: 1"),
    "existing": ("", "tls: {source: existing-secret, secret: theirs}", "nodes: 1"),
    "cert-manager": ("", "tls: {source: cert-manager, issuer: ClusterIssuer/public}", "nodes: 1"),
    "brought": ("", "", f'nodes: 1, keys: brought, public-keys: ["{BROUGHT}"]'),
    "load-balancer": (
        "",
        "exposure: {fleet: {type: load-balancer, host: fleet.example.org, port: 443}}",
        "nodes: 1, context: elsewhere",
    ),
    "node-port": (
        "",
        "exposure: {fleet: {type: node-port, host: 192.0.2.7, port: 30092}}",
        "nodes: 1, context: elsewhere",
    ),
    "ingress": (
        "",
        "exposure: {control: {type: ingress, host: control.example.org, class: nginx}}",
        "nodes: 1",
    ),
    "gateway-api": (
        "",
        "exposure: {control: {type: gateway-api, host: control.example.org, class: edge}}",
        "nodes: 1",
    ),
    "values": (
        "",
        "values: {priorityClassName: high, exposure: {fleet: {annotations: {dns: fleet}}}}",
        "nodes: 1, env: {SITE: north}, values: {podLabels: {team: '1e3'}, env: {WARD: '7'}, logLevel: null}",
    ),
    "rich": (
        "profiles: {gpu: {resources: {limits: {nvidia.com/gpu: 1}}, node-selector: {gpu: a100}}}",
        "profile: gpu, env: {PROXY: 'http://[2001:db8::1]:3128'}, secrets: [{name: s3, env: true}]",
        "nodes: [{config: {rate: 1.0}}, {config: {rate: 1, note: 'two\\nlines {{ x }} $(id)'}}],"
        " profile: gpu, config: {site: 'Hôpital \"Nord\"'}, data: [{claim: scans, mount: /data}],"
        " env: {NOTE: 'yes: {{ .Values }} $(HOME)'}, secrets: [{name: s3, env: true, mount: /secrets/s3}]",
    ),
}


def declaration(top: str, superlink: str, tenant: str) -> str:
    more = f", {superlink}" if superlink else ""
    return (
        f"version: 1\nname: hospitals\n{top}\nsuperlink: {{namespace: hub{more}}}\n"
        f"tenants: [{{name: north, {tenant}}}]\n"
        # Without TLS no user can be told from another, so none is declared.
        + ("" if "insecure" in top else "users: [{name: analyst, role: submitter}]\n")
    )


@pytest.fixture(scope="module", params=SETUPS)
def bundles(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    """Return the plan and the bundles of one declaration."""
    folder = tmp_path_factory.mktemp("bundles")
    file = folder / "federation.yaml"
    file.write_text(declaration(*SETUPS[request.param]))
    plan = load_plan(file)
    generate(plan, folder / "hospitals")
    return plan, folder / "hospitals"


def values_of(bundle: Path) -> list[Path]:
    """Return the files that `apply` and INSTALL.md give to Helm."""
    return [file for file in (bundle / VALUES, bundle / OWN_VALUES) if file.exists()]


def superlink_release(plan: Plan, folder: Path, helm: str = "helm") -> Release:
    place = (plan.superlink.release, plan.superlink.namespace)
    return render("superlink", *values_of(folder / "coordinator"), helm=helm, release=place)


def tenant_release(plan: Plan, folder: Path, helm: str = "helm") -> Release:
    place = (plan.tenants[0].release, plan.tenants[0].namespace)
    return render("supernode", *values_of(folder / "tenants" / "north"), helm=helm, release=place)


def asked_for(value: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield the name of every Secret that a manifest's pods mount or read."""
    if isinstance(value, list):
        for entry in value:
            yield from asked_for(entry)
    elif isinstance(value, dict):
        for key, entry in value.items():
            if key == "secretName":
                yield entry
            elif key in {"secretRef", "secretKeyRef"} or (key == "secret" and "name" in entry):
                yield entry["name"]
            else:
                yield from asked_for(entry)


def given(party: Path) -> set[tuple[str, str]]:
    """Return namespace and name of every Secret in a party's bundle."""
    manifest = party / "secrets.yaml"
    documents = yaml.safe_load_all(manifest.read_text()) if manifest.exists() else ()
    return {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in documents}


# Secrets that the declaration says are there already, or that others write.
ELSEWHERE = {"theirs", "s3"}


def missing(release: Release, party: Path) -> set[tuple[str, str]]:
    wanted = {(release.namespace, name) for name in asked_for(list(release.objects)) if name not in ELSEWHERE}
    return wanted - given(party)


@pytest.mark.parametrize("helm", HELMS)
def test_the_values_render(bundles: tuple[Plan, Path], helm: str) -> None:
    """Both Helms render both releases; Kubernetes' strict schemas accept every object."""
    plan, folder = bundles
    assert superlink_release(plan, folder, helm).of("StatefulSet")
    assert tenant_release(plan, folder, helm).one("StatefulSet", "hospitals-north")["spec"][
        "replicas"
    ] == len(plan.nodes)


def test_every_secret_is_in_the_bundle(bundles: tuple[Plan, Path]) -> None:
    """What the pods mount, each party has in its folder, under the same name and namespace."""
    plan, folder = bundles
    certificate = (
        {("hub", plan.superlink.tls.secret)} if plan.superlink.tls.source == "cert-manager" else set()
    )
    assert missing(superlink_release(plan, folder), folder / "coordinator") <= certificate
    brought = {
        ("north", name) for name in (plan.tenants[0].keys_secret,) if plan.tenants[0].keys == "brought"
    }
    assert missing(tenant_release(plan, folder), folder / "tenants" / "north") <= brought


def test_a_missing_secret_is_noticed(bundles: tuple[Plan, Path], tmp_path: Path) -> None:
    """Without the bundle, the coordinator's Secrets are missing: the comparison above compares something."""
    assert missing(superlink_release(*bundles), tmp_path)


def test_nodes_dial_what_the_superlink_serves(bundles: tuple[Plan, Path]) -> None:
    """Inside one cluster, a tenant's address is a Service and a port of the SuperLink's release."""
    plan, folder = bundles
    if plan.superlink.fleet.type != "cluster":
        address = yaml.safe_load((folder / "tenants/north/values.yaml").read_text())["superlink"]["address"]
        assert address == plan.superlink.fleet.address
        return
    services = superlink_release(plan, folder).of("Service")
    served = {
        f"{one['metadata']['name']}.{one['metadata']['namespace']}.svc.cluster.local:{port['port']}"
        for one in services
        for port in one["spec"]["ports"]
    }
    assert plan.tenants[0].fleet_address in served


def test_values_of_a_party_are_added(tmp_path: Path) -> None:
    """What a declaration adds to a chart's values is in the objects, beside what Flowerbed writes."""
    file = tmp_path / "federation.yaml"
    file.write_text(declaration(*SETUPS["values"]))
    plan = load_plan(file)
    generate(plan, tmp_path / "bundles")
    release = tenant_release(plan, tmp_path / "bundles")
    template = release.one("StatefulSet")["spec"]["template"]
    assert template["metadata"]["labels"]["team"] == "1e3"
    environment = {one["name"]: one.get("value") for one in template["spec"]["containers"][0]["env"]}
    assert (environment["SITE"], environment["WARD"]) == ("north", "7")
    superlink = superlink_release(plan, tmp_path / "bundles")
    assert superlink.one("StatefulSet")["spec"]["template"]["spec"]["priorityClassName"] == "high"
    [service] = [one for one in superlink.of("Service") if one["metadata"]["name"].endswith("-fleet")]
    assert service["metadata"]["annotations"]["dns"] == "fleet"
