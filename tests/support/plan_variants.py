"""Plans for the tests of values and bundles: every field set, in every combination that changes a file."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from flowerbed.plan import DataVolume, Endpoint, Plan, Pod, Resources, SecretUse, Tenant
from support.ca_certificate import CERTIFICATE
from support.plans import federation, tenant, with_tls

# What has broken YAML, TOML, shells or templates somewhere: each must arrive as it is.
NASTY = (
    "",
    " ",
    "plain",
    "Hôpital Nord",
    "two\nlines",
    "ends\n",
    "\n",
    "tab\there",
    "carriage\rreturn",
    'say "hello"',
    "it's",
    "back\\slash \\n \\u0041",
    "a: b",
    "# no comment",
    "- item",
    "&anchor *alias !tag",
    "{{ 7 * 7 }} {% raw %} ${HOME} $(id) `id`",
    "; rm -rf / && ../../etc",
    "yes",
    "null",
    "~",
    "1.0",
    "012",
    "1e3",
    "2026-11-24",
    "<<",
    "=",
    "line\u2028paragraph\u2029next\u0085line",
    "del\x7f bell\x07 escape\x1b null\x00",
    "bom\ufeff zero\u200bwidth no\u00a0break",
    "\u202eright to left",
    "\U0001f338 flower, family \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\ud7ff\ue000\ufffd\ufffe\U0010ffff",
    "x" * 3000,
)

Thing = TypeVar("Thing", bound=msgspec.Struct)


def change(thing: Thing, **changes: Any) -> Thing:  # noqa: ANN401  (whatever its fields take)
    return msgspec.structs.replace(thing, **changes)


def with_superlink(plan: Plan, **changes: Any) -> Plan:  # noqa: ANN401
    return change(plan, superlink=change(plan.superlink, **changes))


def exposed(kind: str, class_name: str = "") -> Endpoint:
    return Endpoint(
        type=kind,  # type: ignore[arg-type]
        host="fleet.example.org",
        port=443,
        service="hospitals-superlink-fleet",
        listen_port=9092,
        class_name=class_name,
    )


def rich_pod(*texts: str) -> Pod:
    return Pod(
        resources=Resources(requests={"cpu": "500m", "memory": "1Gi"}, limits={"nvidia.com/gpu": "1"}),
        node_selector={"kubernetes.io/arch": "amd64"},
        tolerations=({"key": "gpu", "operator": "Exists", "tolerationSeconds": 30},),
        env={f"NAME_{index}": text for index, text in enumerate(texts)},
    )


def rich_tenant(name: str = "north", **changes: Any) -> Tenant:  # noqa: ANN401
    base = tenant(name, 3)
    configs = (
        {"site": "Hôpital", "rate": 1.0, "size": 1, "on": True, "a b": "x"},
        {"site": "Hôpital", "rate": 1, "size": 1, "on": True, "a b": "x"},
        {"site": "Hôpital", "rate": True, "size": 1, "on": True, "a b": "x", "only": "here"},
    )
    nodes = tuple(change(node, config=config) for node, config in zip(base.nodes, configs, strict=True))
    return change(
        base,
        nodes=nodes,
        pod=rich_pod(*NASTY),
        data=(DataVolume(claim="scans", mount="/data"), DataVolume(claim="out", mount="/o", read_only=False)),
        secrets=(SecretUse(name="s3", env=True), SecretUse(name="both", env=True, mount="/secrets/both")),
        **changes,
    )


def variants() -> dict[str, Plan]:
    """Return plans by what is special about them."""
    plain = federation()
    rich = federation(rich_tenant(), tenant("south", 1))
    return {
        "plain": plain,
        "rich": with_superlink(rich, pod=rich_pod("{{ x }}"), secrets=(SecretUse(name="s3", mount="/s"),)),
        "insecure": change(plain, insecure=True, admission="open"),
        "open": change(plain, admission="open"),
        "existing-secret": with_tls(plain, source="existing-secret", secret="theirs"),
        "own CA": with_tls(plain, source="existing-secret", secret="theirs", ca=CERTIFICATE),
        "cert-manager": with_tls(
            plain,
            source="cert-manager",
            issuer="ClusterIssuer/public",
            dns_names=(*plain.superlink.tls.dns_names, "localhost", "more.example.org"),
        ),
        "load-balancer": with_superlink(plain, fleet=exposed("load-balancer")),
        "node-port": with_superlink(
            plain, fleet=change(exposed("node-port"), host="2001:db8::1", port=30092)
        ),
        "gateway-api": with_superlink(plain, fleet=exposed("gateway-api", "gateways/edge")),
        "ingress": with_superlink(plain, fleet=exposed("ingress", "nginx")),
        "kubernetes": with_superlink(
            federation(rich_tenant(isolation="process", executor="kubernetes")),
            executor="kubernetes",
            pod=rich_pod(),
        ),
        "process": federation(rich_tenant(isolation="process")),
        "deployment": federation(tenant("south", 1), rich_tenant(isolation="process", executor="deployment")),
        "brought-deployment": federation(
            change(tenant("north", keys="brought"), isolation="process", executor="deployment")
        ),
        "insecure-deployment": change(
            federation(change(tenant("north"), isolation="process", executor="deployment")),
            insecure=True,
            admission="open",
        ),
        "brought": federation(tenant("north", 2, keys="brought"), tenant("south", 1)),
        "elsewhere": federation(change(tenant("north"), context="north's $cluster"), tenant("south", 1)),
        "same-namespace": federation(tenant("north", namespace="hub")),
        "no-tenants": change(plain, tenants=(), users=()),
        "values": with_superlink(
            federation(change(tenant("north"), values={"podLabels": {word: word for word in NASTY}})),
            values={"priorityClassName": "high", "affinity": None},
        ),
    }
