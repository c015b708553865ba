"""`INSTALL.md`: the commands of one party, ready to be copied."""

from __future__ import annotations

from typing import Any

from flowerbed import __version__
from flowerbed.plan import Plan, Tenant
from flowerbed.values.quoting import shell
from flowerbed.values.rendering import render


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
