"""What a tenant may say of its HTTP proxy, as types; `model` has the rest of the declaration."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from flowerbed.declaration.podmodel import Model, text


class TenantProxy(Model, frozen=True, kw_only=True):
    """The HTTP proxy through which a tenant's SuperNodes and ClientApps get out, by CONNECT."""

    https: Annotated[
        str,
        text(
            "Its address, as in http://proxy.example.org:3128, without user and password. Empty: no proxy.",
            "",
            300,
        ),
    ] = ""
    no_proxy: Annotated[
        tuple[str, ...],
        Meta(
            description="Hosts that are reached without it, beside the cluster's own Services: a host, an "
            "address, or a domain as in `.example.org`. Flower's clients know no ranges."
        ),
    ] = ()
    secret: Annotated[
        str,
        text(
            "Secret of the tenant's namespace whose entry `url` is the address with user and password.",
            "",
            253,
        ),
    ] = ""
    networks: Annotated[
        tuple[str, ...],
        Meta(
            description="CIDRs of the proxy, as in 203.0.113.7/32: nodes may dial these alone. Empty: any "
            "address on its port, unless `namespace` is set."
        ),
    ] = ()
    namespace: Annotated[
        str, text("Namespace of the proxy's pods, if it runs in the tenant's cluster.", "", 63)
    ] = ""
