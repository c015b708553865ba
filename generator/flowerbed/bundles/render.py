"""Each party's texts by file name, its values and `INSTALL.md`: pure functions of what they are given.

They get the plan without its tenants and users, so that a text cannot depend on another party unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowerbed import __version__
from flowerbed.cluster.party import OWN_VALUES, VALUES
from flowerbed.connection import CONNECTION_FILE, connection_toml
from flowerbed.plan import Plan, Tenant
from flowerbed.values.rendering import render, shell
from flowerbed.values.superlink import superlink_values
from flowerbed.values.supernode import supernode_values


def tenant_texts(
    head: Plan, tenant: Tenant, public_keys: Mapping[str, str], authority: str
) -> dict[str, str]:
    """Return a tenant's values and instructions, and `ca.crt` where that CA certifies the SuperLink.

    `public_keys` are its nodes' (PEM) by node name, `authority` is the CA's certificate (PEM) or "".
    """
    return {
        VALUES: render("supernode.yaml", supernode_values(head, tenant, public_keys, authority)),
        **own_values(tenant.values),
        "INSTALL.md": supernode_install(head, tenant, has_authority=bool(authority)),
        **({"ca.crt": authority} if authority else {}),
    }


def coordinator_texts(
    head: Plan,
    users: Mapping[str, str],
    public_keys: Mapping[str, str],
    neighbours: Mapping[str, str],
    authority: str,
    revoked: Mapping[str, object] | None = None,
) -> dict[str, str]:
    """Return the coordinator's values and instructions.

    `users` are roles by user name, `public_keys` those of all nodes (PEM) by node name, `neighbours` the
    namespaces of tenants in the SuperLink's own cluster by tenant name, `authority` is the CA's certificate
    (PEM) or "", `revoked` are times by user name, and fingerprints of keys.
    """
    values = superlink_values(head, users, public_keys, neighbours, authority, revoked)
    return {
        VALUES: render("superlink.yaml", values),
        **own_values(head.superlink.values),
        "INSTALL.md": superlink_install(head),
    }


def own_values(values: Mapping[str, object]) -> dict[str, str]:
    """Return the file of a party's own values, none where it has none."""
    return {OWN_VALUES: render("own-values.yaml", {"values": values})} if values else {}


def user_texts(head: Plan) -> dict[str, str]:
    """Return a user's connection file; what it names lies beside it."""
    tls = head.superlink.tls
    has_authority = not head.insecure and (tls.source == "generated" or bool(tls.ca))
    text = connection_toml(
        head.superlink.control.address,
        insecure=head.insecure,
        root_certificates="ca.crt" if has_authority else "",
        client_certificate="" if head.insecure else "client.crt",
        client_key="" if head.insecure else "client.key",
    )
    return {CONNECTION_FILE: text}


def superlink_install(plan: Plan) -> str:
    """Return the coordinator's INSTALL.md. Tenants are not read from the plan."""
    superlink = plan.superlink
    held = {
        "generated": "the server's certificate with its key, and the SuperExec's secret",
        "existing-secret": "the SuperExec's secret, and the CA that signed the users' certificates",
        "cert-manager": "the SuperExec's secret, and the CA that signed the users' certificates",
    }
    data = {
        "federation": plan.name,
        "party": _party("superlink", superlink.release, superlink.namespace, superlink.context)
        | {"namespaces": _namespaces(superlink.namespace, apart=superlink.executor == "kubernetes")},
        "insecure": plan.insecure,
        "secrets": "the SuperExec's secret" if plan.insecure else held[superlink.tls.source],
        "tls_source": "" if plan.insecure else superlink.tls.source,
        "tls_secret": superlink.tls.secret,
        "fleet": superlink.fleet.address,
        "fleet_inside": superlink.fleet.type == "cluster",
        "control": superlink.control.address,
        "control_inside": superlink.control.type == "cluster",
        "state": f"{superlink.release}-state",
        "own_values": bool(superlink.values),
    }
    return render("install-superlink.md", data)


def supernode_install(plan: Plan, tenant: Tenant, *, has_authority: bool) -> str:
    """Return a tenant's INSTALL.md; `has_authority` says whether `ca.crt` lies beside it."""
    makes_keys = tenant.keys == "generated" and not plan.insecure
    held = [
        *(["the private keys by which the SuperLink knows these nodes"] if makes_keys else []),
        *(["the secret that SuperNodes and SuperExecs share"] if tenant.superexec_secret else []),
    ]
    apart = tenant.isolation == "process" and tenant.executor == "kubernetes"
    data = {
        "federation": plan.name,
        "tenant": tenant.name,
        "party": _party("supernode", tenant.release, tenant.namespace, tenant.context)
        | {"namespaces": _namespaces(tenant.namespace, apart=apart)},
        "insecure": plan.insecure,
        "secrets": ", and ".join(held),
        "has_authority": has_authority,
        "brought": tenant.keys == "brought" and not plan.insecure,
        "keys_secret": tenant.keys_secret,
        "nodes": [node.name for node in tenant.nodes],
        "fleet": tenant.fleet_address,
        "reach_anywhere": plan.superlink.fleet.type != "cluster"
        and not plan.superlink.fleet.networks
        and not tenant.proxy,
        "proxy": tenant.proxy.https if tenant.proxy else "",
        "proxy_secret": tenant.proxy.secret if tenant.proxy else "",
        "own_values": bool(tenant.values),
    }
    return render("install-supernode.md", data)


def _party(chart: str, release: str, namespace: str, context: str) -> dict[str, Any]:
    return {
        "chart": chart,
        "version": __version__,
        "release": release,
        "namespace": namespace,
        "kubectl": f"kubectl --context {shell(context)}" if context else "kubectl",
        "helm": f"helm --kube-context {shell(context)}" if context else "helm",
    }


def _namespaces(namespace: str, *, apart: bool) -> list[str]:
    # Task pods have a namespace of their own: who starts them may read every Secret there.
    return [namespace, f"{namespace}-tasks"] if apart else [namespace]
