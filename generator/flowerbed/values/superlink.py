"""Values of `charts/superlink` for the coordinator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowerbed import names
from flowerbed.plan import Audience, Endpoint, Plan, ServerTls
from flowerbed.values.common import (
    fingerprints,
    gateway_image_values,
    image_values,
    pod_values,
    pull_secret_values,
    resources,
    secret_uses,
)

_EXPOSURES = {
    "cluster": "cluster",
    "load-balancer": "loadBalancer",
    "node-port": "nodePort",
    "gateway-api": "gatewayApi",
    "ingress": "ingress",
}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HOURS = 24


def superlink_values(
    plan: Plan,
    users: Mapping[str, str],
    public_keys: Mapping[str, str],
    neighbours: Mapping[str, str],
    authority: str,
    revoked: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Return the coordinator's values as plain data. No secret is among them.

    `users` are roles by user name; `public_keys` the nodes' (PEM) by node name; `neighbours` the namespaces
    of tenants in the SuperLink's own cluster by tenant name, which its NetworkPolicy lets in; `authority` the
    certificate (PEM) of the CA by which the SuperExec knows the SuperLink, "" where somebody else certifies
    it; `revoked` times (ISO 8601, UTC) of `users` by name, and SHA-256s of `keys`. Tenants and users
    are not read from the plan.
    """
    superlink = plan.superlink
    apart = superlink.executor == "kubernetes"
    said = resources(superlink.pod)
    gateway = gateway_image_values(plan)
    return {
        "federation": plan.name,
        "flower": plan.flower,
        "clusterDomain": superlink.cluster_domain,
        "insecure": plan.insecure,
        "admission": {
            "mode": plan.admission,
            # With open admission too: a SuperNode that has a key does not register itself (flwr 1.41).
            "nodes": {} if plan.insecure else {name: {"publicKey": pem} for name, pem in public_keys.items()},
        },
        "users": {} if plan.insecure else dict(users),
        **({"revoked": dict(revoked)} if revoked and any(revoked.values()) and not plan.insecure else {}),
        "tls": {} if plan.insecure else _tls(plan),
        "exposure": {audience: _exposure(plan, audience) for audience in ("fleet", "control")},
        "networkPolicy": {"tenants": {name: {"namespace": space} for name, space in neighbours.items()}},
        "fingerprints": fingerprints({}, authority),
        "superexec": {
            "executor": superlink.executor,
            "existingSecret": superlink.superexec_secret,
            "resources": {} if apart else said,
            "secrets": secret_uses(superlink.secrets),
            **({"maxRuns": superlink.max_runs} if superlink.max_runs and not apart else {}),
            **pod_values(superlink.pod),
            **image_values(plan, "superexec", "superlink"),
        },
        "tasks": {
            "resources": said if apart else {},
            **({"activePodBudget": superlink.max_runs} if superlink.max_runs and apart else {}),
        },
        "persistence": {"size": superlink.storage.size, "storageClass": superlink.storage.storage_class},
        **pod_values(superlink.pod),
        **image_values(plan, "superlink"),
        **pull_secret_values(plan, "superlink", "superexec"),
        **({"gateway": gateway} if gateway else {}),
    }


def _exposure(plan: Plan, audience: Audience) -> dict[str, Any]:
    endpoint: Endpoint = getattr(plan.superlink, audience)
    values: dict[str, Any] = {"type": _EXPOSURES[endpoint.type]}
    if endpoint.type == "cluster":
        return values
    values |= {"host": endpoint.host, "port": endpoint.port}
    if endpoint.class_name and endpoint.type == "gateway-api":
        namespace, _, name = endpoint.class_name.rpartition("/")
        values["parentRefs"] = [{"name": name} | ({"namespace": namespace} if namespace else {})]
    elif endpoint.class_name:
        values["className"] = endpoint.class_name
    return values


def _tls(plan: Plan) -> dict[str, Any]:
    tls = plan.superlink.tls
    if tls.source == "generated":
        return {"source": "existingSecret", "existingSecret": tls.secret, "clientCA": ""}
    # Whoever certifies the server knows nothing of the users: their CA has a Secret of its own.
    client_ca = names.client_ca_secret(plan.superlink.release)
    if tls.source == "existing-secret":
        return {"source": "existingSecret", "existingSecret": tls.secret, "clientCA": client_ca}
    return {
        "source": "certManager",
        "existingSecret": tls.secret,
        "clientCA": client_ca,
        "certManager": _cert_manager(plan, tls),
    }


def _cert_manager(plan: Plan, tls: ServerTls) -> dict[str, Any]:
    # The chart asks for the Services' names and the hosts by itself; loopback is for generated certificates.
    superlink = plan.superlink
    known = {*_LOOPBACK, superlink.fleet.host, superlink.control.host}
    for audience in ("fleet", "control", "runtime"):
        service = names.service_name(superlink.release, audience)
        known |= set(names.service_names(service, superlink.namespace, superlink.cluster_domain))
    kind, issuer = tls.issuer_reference
    return {
        "issuerRef": {"name": issuer, "kind": kind, "group": "cert-manager.io"},
        "dnsNames": [name for name in tls.dns_names if name not in known],
        "ipAddresses": [address for address in tls.ip_addresses if address not in known],
        "duration": f"{tls.days * _HOURS}h",
        "renewBefore": f"{tls.renew_hours}h",
    }
