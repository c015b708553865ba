"""Text from templates: values, and each party's `INSTALL.md` with its commands, ready to be copied.

What is not defined is an error, and every value goes through a quoting filter.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowerbed import __version__
from flowerbed.plan import Plan, Tenant
from flowerbed.values import quoting

if TYPE_CHECKING:
    from jinja2 import Environment, FileSystemBytecodeCache

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, data: Mapping[str, Any]) -> str:
    """Return the text of `templates/NAME.j2` with its variables from `data`."""
    return _environment().get_template(f"{template}.j2").render(data)


@cache
def fingerprint() -> str:
    """Return a SHA-256 of all templates: texts of another fingerprint were written in other words."""
    digest = hashlib.sha256()
    for path in sorted(TEMPLATES.glob("*.j2")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # No HTML is made here, and quoting for YAML and shells is what the filters are for.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(TEMPLATES),
        bytecode_cache=_bytecode_cache(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        cache_size=-1,
    )
    environment.filters["yaml"] = quoting.flow
    environment.filters["yaml_key"] = quoting.key_text
    environment.filters["yaml_block"] = quoting.block
    environment.filters["shell"] = quoting.shell
    return environment


def _bytecode_cache() -> FileSystemBytecodeCache | None:
    """Return a cache of compiled templates beside them, as Python keeps its own; None where it may not be."""
    from jinja2 import FileSystemBytecodeCache

    folder = TEMPLATES / "__pycache__"
    try:
        folder.mkdir(exist_ok=True)
    except OSError:
        return None
    usable = os.access(folder, os.W_OK) and not sys.dont_write_bytecode
    return FileSystemBytecodeCache(str(folder)) if usable else None


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
    }
    return render("install-supernode.md", data)


def _party(chart: str, release: str, namespace: str, context: str) -> dict[str, Any]:
    return {
        "chart": chart,
        "version": __version__,
        "release": release,
        "namespace": namespace,
        "kubectl": f"kubectl --context {quoting.shell(context)}" if context else "kubectl",
        "helm": f"helm --kube-context {quoting.shell(context)}" if context else "helm",
    }


def _namespaces(namespace: str, *, apart: bool) -> list[str]:
    # Task pods have a namespace of their own: who starts them may read every Secret there.
    return [namespace, f"{namespace}-tasks"] if apart else [namespace]
