"""Each party's texts by file name: pure functions of what they are given.

They get the plan without its tenants and users, so that a text cannot depend on another party unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping

from flowerbed.connection import CONNECTION_FILE, connection_toml
from flowerbed.plan import Plan, Tenant
from flowerbed.values.rendering import render, superlink_install, supernode_install
from flowerbed.values.superlink import superlink_values
from flowerbed.values.supernode import supernode_values


def tenant_texts(
    head: Plan, tenant: Tenant, public_keys: Mapping[str, str], authority: str
) -> dict[str, str]:
    """Return a tenant's values and instructions, and `ca.crt` where that CA certifies the SuperLink.

    `public_keys` are its nodes' (PEM) by node name, `authority` is the CA's certificate (PEM) or "".
    """
    return {
        "values.yaml": render("supernode.yaml", supernode_values(head, tenant, public_keys, authority)),
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
        "values.yaml": render("superlink.yaml", values),
        "INSTALL.md": superlink_install(head),
    }


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
