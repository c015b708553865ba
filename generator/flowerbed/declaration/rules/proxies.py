"""The HTTP proxies through which tenants' nodes get out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowerbed.declaration import grammar
from flowerbed.declaration.findings import Finding, KeyPath, show
from flowerbed.declaration.model import Declaration
from flowerbed.declaration.pod_model import TenantProxy
from flowerbed.declaration.rules.reach import PORTS, bounding

_PROXY = re.compile(r"http://([^\s/?#:@]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})/?")
_HOSTS = re.compile(r"\.?[A-Za-z0-9_][A-Za-z0-9_.:-]*|[0-9a-fA-F:.]+")
_NAME, _LABEL = re.compile(grammar.DNS_NAME), re.compile(grammar.DNS_LABEL)
_AS_IN = "write it as in http://proxy.example.org:3128"


def proxies(declaration: Declaration) -> Iterator[Finding]:
    """A tenant's proxy has an address that can be used, holds no secret, and is said once."""
    for index, tenant in enumerate(declaration.tenants):
        path: KeyPath = ("tenants", index, "proxy")
        proxy = tenant.proxy
        if not proxy.https:
            if proxy != TenantProxy():
                remedy = "add it: https: http://proxy.example.org:3128"
                yield Finding((*path, "https"), "the proxy has no `https`", remedy)
            continue
        yield from _proxy_address((*path, "https"), proxy.https)
        for number, entry in enumerate(proxy.no_proxy):
            if not _HOSTS.fullmatch(entry):
                message = f"{show(entry)} means nothing to Flower's clients"
                remedy = "write a host, an address, or a domain as in .example.org"
                yield Finding((*path, "no-proxy", number), message, remedy)
        for number, text in enumerate(proxy.networks):
            yield from bounding((*path, "networks", number), text, "the proxy's")
        if proxy.secret and not _NAME.fullmatch(proxy.secret):
            yield Finding((*path, "secret"), f"{show(proxy.secret)} is not a Secret name", "write its name")
        if proxy.namespace and not _LABEL.fullmatch(proxy.namespace):
            message = f"{show(proxy.namespace)} is not a namespace name"
            yield Finding((*path, "namespace"), message, "write its name")
        for variable in sorted({"HTTPS_PROXY", "https_proxy", "NO_PROXY"} & set(tenant.env)):
            message = f"`{variable}` is what `proxy` sets"
            yield Finding(
                ("tenants", index, "env", variable), message, "remove it", needs=(path,), on_key=True
            )


def _proxy_address(path: KeyPath, text: str) -> Iterator[Finding]:
    if "@" in text:
        what = "a user or password in the declaration would be read by everybody who reads that"
        remedy = "write the address without it, and name a Secret by `secret`"
        yield Finding(path, what, remedy)
    elif not (match := _PROXY.fullmatch(text)) or int(match[2]) not in PORTS:
        yield Finding(path, f"{show(text)} is not an HTTP proxy address", _AS_IN)
    elif not (grammar.ip_address(match[1].strip("[]")) or grammar.is_host_name(match[1])):
        yield Finding(path, f"{show(match[1])}: no DNS name and no IP address", _AS_IN)


RULES = (proxies,)
