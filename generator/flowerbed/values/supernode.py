"""Values of `charts/supernode` for a tenant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowerbed.plan import Plan, Scalar, Tenant
from flowerbed.values.common import (
    fingerprints,
    image_values,
    pod_values,
    pull_secret_values,
    resources,
    secret_uses,
)

EVERYWHERE = ["0.0.0.0/0", "::/0"]


def supernode_values(
    plan: Plan, tenant: Tenant, public_keys: Mapping[str, str], authority: str
) -> dict[str, Any]:
    """Return a tenant's values as plain data. No secret is among them.

    `public_keys` are its nodes' (PEM) by node name. `authority` is the certificate (PEM) of the CA by which
    they know the SuperLink, "" where somebody else certifies it. Other tenants are not read from the plan.
    """
    superexec, apart = tenant.isolation == "process", tenant.executor == "kubernetes"
    said = resources(tenant.pod)
    config, configs = node_configs(tenant)
    near, exposed = beside_superlink(plan, tenant), plan.superlink.fleet.type != "cluster"
    return {
        "flower": plan.flower,
        **({"clusterDomain": plan.superlink.cluster_domain} if near else {}),
        "superlink": {
            "address": tenant.fleet_address,
            "namespace": plan.superlink.namespace if near else "",
        },
        **_policy(plan, near=near, exposed=exposed and not tenant.proxy),
        **_proxy(tenant),
        "insecure": plan.insecure,
        "tls": _tls(plan, authority),
        "keys": {"enabled": not plan.insecure, "existingSecret": "" if plan.insecure else tenant.keys_secret},
        "fingerprints": fingerprints(public_keys, authority),
        "replicas": len(tenant.nodes),
        "node": {"config": config, "configs": configs},
        "isolationMode": tenant.isolation,
        "superexec": {
            "executor": tenant.executor,
            "existingSecret": tenant.superexec_secret,
            "resources": said if superexec and not apart else {},
            **image_values(plan, "superexec", "supernode"),
        },
        "tasks": {"resources": said if superexec and apart else {}},
        "resources": {} if superexec else said,
        "data": [
            {"claim": volume.claim, "mountPath": volume.mount, "readOnly": volume.read_only}
            for volume in tenant.data
        ],
        "secrets": secret_uses(tenant.secrets),
        **pod_values(tenant.pod),
        **image_values(plan, "supernode"),
        **pull_secret_values(plan, "supernode", "superexec"),
    }


def _policy(plan: Plan, *, near: bool, exposed: bool) -> dict[str, Any]:
    """Return where nodes may dial: the networks, where they are known; for a name alone, any, with a warning.

    An exposed address may lead to the SuperLink's pod within the cluster: policies see that pod then.
    """
    if plan.superlink.fleet.networks:
        return {"networkPolicy": {"superlinkCidrs": list(plan.superlink.fleet.networks)}}
    return {"networkPolicy": {"superlinkCidrs": EVERYWHERE}} if near and exposed else {}


def _proxy(tenant: Tenant) -> dict[str, Any]:
    """Return how nodes and apps get out, where that is through a proxy."""
    if not tenant.proxy:
        return {}
    said = {
        "url": tenant.proxy.https,
        "existingSecret": tenant.proxy.secret,
        "noProxy": list(tenant.proxy.no_proxy),
        "cidrs": list(tenant.proxy.networks),
        "namespace": tenant.proxy.namespace,
    }
    return {"proxy": said}


def beside_superlink(plan: Plan, tenant: Tenant) -> bool:
    """Return whether a tenant's nodes run in the SuperLink's own cluster, as the kubeconfig contexts say."""
    return tenant.context == plan.superlink.context


def neighbours(plan: Plan) -> dict[str, str]:
    """Return the namespaces of tenants that share the SuperLink's cluster, not its namespace, by tenant."""
    return {
        tenant.name: tenant.namespace
        for tenant in plan.tenants
        if beside_superlink(plan, tenant) and tenant.namespace != plan.superlink.namespace
    }


def node_configs(tenant: Tenant) -> tuple[str, dict[str, str]]:
    """Return the node config as TOML: what all nodes of a tenant share, and the rest by ordinal."""
    first, *others = [node.config for node in tenant.nodes] or [{}]
    same = {
        key: value for key, value in first.items() if all(_equal(value, config.get(key)) for config in others)
    }
    rest = {
        str(node.ordinal): {key: value for key, value in node.config.items() if key not in same}
        for node in tenant.nodes
    }
    return _toml(same), {ordinal: _toml(config) for ordinal, config in rest.items() if config}


def _equal(one: Scalar, other: Scalar | None) -> bool:
    # For Python 1, 1.0 and True are equal; for an app they are not.
    return type(one) is type(other) and one == other


def _toml(config: Mapping[str, Scalar]) -> str:
    import tomli_w

    return tomli_w.dumps(config)


def _tls(plan: Plan, authority: str) -> dict[str, Any]:
    if plan.insecure:
        return {}
    return {"caCert": authority} if authority else {"systemTrust": True}
