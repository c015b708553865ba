"""The charts' names are those of names.py, up to the limits."""

from __future__ import annotations

from typing import Any

import pytest

from flowerbed import names
from support.chart_release import CASES, Case, Release, render

KUBERNETES_EXECUTOR = {"isolationMode": "process", "superexec": {"executor": "kubernetes"}}
LABEL, SUBDOMAIN = 63, 253
# Kinds whose names become DNS labels or label values of 63 characters.
SHORT = {"Service", "StatefulSet", "Job", "Pod"}
HOSTNAME_SUFFIX = len("-99999")


def supernode(federation: str, tenant: str, **values: object) -> Release:
    """Return a tenant's release under the generator's name for it."""
    base = {"superlink": {"address": "x:1"}, "tls": {"existingSecret": "ca"}, "replicas": 2, **values}
    return render("supernode", base, release=(names.tenant_release(federation, tenant), "ns"))


def longest(prefix: str) -> tuple[str, str]:
    """Return a federation and a tenant whose release name is as long as names.py allows."""
    tenant = "t" * (names.RELEASE_NAME_LIMIT - len(prefix) - 1)
    assert len(names.tenant_release(prefix, tenant)) == names.RELEASE_NAME_LIMIT
    return prefix, tenant


@pytest.mark.parametrize(
    ("federation", "tenant"), [("hospitals", "north"), longest("h"), longest("hospitals")]
)
def test_a_tenant_is_named_as_the_generator_names_it(federation: str, tenant: str) -> None:
    """Pods, key entries, Secret names and the runtime port are one thing in Python and in the chart."""
    release = supernode(federation, tenant, **KUBERNETES_EXECUTOR)
    name = names.tenant_release(federation, tenant)
    assert release.one("StatefulSet")["metadata"]["name"] == name
    (pod,) = [pod for pod in release.pods() if pod.owner == f"StatefulSet/{name}"]
    volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
    assert volumes["keys"]["secret"]["secretName"] == names.node_keys_secret(name)
    assert volumes["superexec"]["secret"]["secretName"] == names.superexec_secret(name)
    assert pod.container("supernode")["ports"][0]["containerPort"] == names.SUPERNODE_RUNTIME_PORT
    configs = release.one("ConfigMap", f"{name}-nodes")["data"]
    assert set(configs) == {f"{names.node_name(name, ordinal)}.toml" for ordinal in range(2)}


def test_the_coordinator_is_named_as_the_generator_names_it() -> None:
    """Services, Secrets and ports of the superlink chart are those of names.py."""
    name = names.superlink_release("hospitals")
    release = render("superlink", {}, release=(name, "hospitals"))
    ports = {"fleet": names.FLEET_PORT, "control": names.CONTROL_PORT, "runtime": names.RUNTIME_PORT}
    for audience, port in ports.items():
        service = release.one("Service", names.service_name(name, audience))
        assert [item["port"] for item in service["spec"]["ports"]] == [port]
    superlink = next(pod for pod in release.pods() if pod.owner == f"StatefulSet/{name}").container(
        "superlink"
    )
    assert f"--database={names.STATE_DATABASE}" in superlink["args"]
    assert {"name": "state", "mountPath": names.STATE_FOLDER} in superlink["volumeMounts"]
    mounted = {
        volume["secret"]["secretName"]
        for pod in release.pods()
        for volume in pod.spec["volumes"]
        if "secret" in volume
    }
    assert {names.server_tls_secret(name), names.superexec_secret(name)} <= mounted


@pytest.mark.parametrize("name", ["a" * 53, "x" * 44 + ".b" * 4, "dots.in.a.name"])
@pytest.mark.parametrize("chart", ["supernode", "app"])
def test_any_release_name_of_helm_gives_names_that_kubernetes_takes(chart: str, name: str) -> None:
    """The longest names that Helm takes, and those with dots, are shortened and stay within the limits."""
    by_chart: dict[str, dict[str, Any]] = {
        "supernode": {
            "superlink": {"address": "x:1"},
            "tls": {"existingSecret": "ca"},
            **KUBERNETES_EXECUTOR,
        },
        "app": {
            "superlink": {"address": "x:1"},
            "tls": {"existingSecret": "u"},
            "user": {"existingSecret": "u"},
            "app": {"inline": {"pyproject.toml": ""}},
            "outcome": {"configMap": {"enabled": True}},
        },
    }
    values = by_chart[chart]
    release = render(chart, values, release=(name, "ns"))
    for kind, found in release.identities:
        room = HOSTNAME_SUFFIX if kind == "StatefulSet" else 0
        assert len(found) + room <= (LABEL if kind in SHORT else SUBDOMAIN), (kind, found)
        assert "." not in found or kind not in SHORT, (kind, found)
    neighbour = render(chart, values, release=(f"{name[:-1]}z", "ns"))
    assert not release.identities & neighbour.identities, "cut names must stay different"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_label_values_fit(case: Case) -> None:
    """Every label value is at most 63 characters."""
    release = case.render()
    for item in release.objects:
        for key, value in item["metadata"]["labels"].items():
            assert len(value) <= LABEL, (item["kind"], key)
