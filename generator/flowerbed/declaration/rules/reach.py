"""Who reaches the SuperLink from where (exposure, hosts, ports, clusters, proxies), and its certificate."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import UNSET

from flowerbed import names
from flowerbed.declaration import grammar
from flowerbed.declaration.model import Declaration, Exposure, Tls
from flowerbed.declaration.pem import CaCertificateError, canonical_certificates
from flowerbed.declaration.pod_model import TenantProxy
from flowerbed.declaration.resolution import outside_port
from flowerbed.declaration.rules.naming import object_name
from flowerbed.declaration.suggestions import foreign
from flowerbed.declaration.violations import KeyPath, Violation, show

_EXPOSURE: KeyPath = ("superlink", "exposure")
_NODE_PORTS = range(30000, 32768)
PORTS = range(1, 65536)
_BY_NAME = ("gateway-api", "ingress")
_DNS_NAME = re.compile(grammar.DNS_NAME)
_OUTSIDE = "load-balancer, node-port, gateway-api or ingress"
_PROXY = re.compile(r"http://([^\s/?#:@]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})/?")
_HOSTS = re.compile(r"\.?[A-Za-z0-9_][A-Za-z0-9_.:-]*|[0-9a-fA-F:.]+")
_LABEL = re.compile(grammar.DNS_LABEL)
_AS_IN = "write it as in http://proxy.example.org:3128"


def audiences(declaration: Declaration) -> tuple[tuple[KeyPath, Exposure, int], ...]:
    """Return for each audience: its key path, what is said of it, and the gateway's own port."""
    exposure = declaration.superlink.exposure
    return (
        ((*_EXPOSURE, "fleet"), exposure.fleet, names.FLEET_PORT),
        ((*_EXPOSURE, "control"), exposure.control, names.CONTROL_PORT),
    )


def host(path: KeyPath, text: str, *, wildcard: bool = False) -> Iterator[Violation]:
    """Yield a violation unless `text` is a DNS name or an IP address that can be dialled."""
    name = text.removeprefix("*.") if wildcard else text
    address = grammar.ip_address(name)
    if address in ("0.0.0.0", "::"):  # noqa: S104  (compared, not bound)
        yield Violation(
            path, f"{text} is not an address that clients can connect to", "write the address that others use"
        )
    elif not address and not grammar.is_host_name(name):
        yield Violation(
            path, f"{foreign(text) or show(text)}: no DNS name and no IP address", _host_remedy(text)
        )


def _host_remedy(text: str) -> str:
    bare = re.sub(r"^[a-z]+://", "", text).split("/")[0]
    bare = bare[1:].split("]")[0] if bare.startswith("[") else re.sub(r":\d+$", "", bare)
    if bare != text and (grammar.ip_address(bare) or grammar.is_host_name(bare)):
        return f'write the host alone: "{bare}"; the port has a key of its own'
    return "write a name such as fleet.example.org; international names in their xn-- form"


def complete(declaration: Declaration) -> Iterator[Violation]:
    """Each exposure has what its type needs, and nothing that its type ignores."""
    for path, exposure, _ in audiences(declaration):
        if exposure.type == "cluster":
            yield from _inside(path, exposure)
        else:
            yield from _outside(path, exposure)


def _inside(path: KeyPath, exposure: Exposure) -> Iterator[Violation]:
    fields = {"host": exposure.host, "port": exposure.port is not UNSET, "class": exposure.class_}
    for word, given in fields.items():
        if given:
            message = f"`{word}` means nothing for the type cluster, which is dialled by its Service's name"
            yield Violation(
                (*path, word), message, f"remove it, or choose the type {_OUTSIDE}", needs=((*path, "type"),)
            )


def _outside(path: KeyPath, exposure: Exposure) -> Iterator[Violation]:
    needs = ((*path, "type"),)
    if not exposure.host:
        message = f"the type {exposure.type} needs `host`, the name or address that is dialled"
        yield Violation((*path, "host"), message, "add it: host: fleet.example.org", needs=needs)
    else:
        yield from host((*path, "host"), exposure.host)
        if exposure.type in _BY_NAME and grammar.ip_address(exposure.host):
            message = f"the type {exposure.type} goes by the server's name, an address has none"
            yield Violation((*path, "host"), message, "write a DNS name", needs=needs)
    if exposure.class_ and exposure.type == "node-port":
        message = "`class` means nothing for the type node-port"
        yield Violation((*path, "class"), message, "remove it", needs=needs)
    if not exposure.class_ and exposure.type == "gateway-api":
        message = "the type gateway-api needs `class`, the Gateway that the route joins"
        yield Violation((*path, "class"), message, "add it: class: NAMESPACE/NAME, or NAME", needs=needs)
    parts = exposure.class_.split("/", 1 if exposure.type == "gateway-api" else 0)
    if exposure.class_ and not all(map(_DNS_NAME.fullmatch, parts)):
        remedy = "write its NAME, for gateway-api NAMESPACE/NAME"
        yield Violation((*path, "class"), f"{show(exposure.class_)} is not a class name", remedy, needs=needs)
    yield from _port(path, exposure)


def _port(path: KeyPath, exposure: Exposure) -> Iterator[Violation]:
    if exposure.type == "node-port" and exposure.port not in _NODE_PORTS:
        problem = "is missing" if exposure.port is UNSET else f"{exposure.port} is outside Kubernetes' range"
        message = f"the type node-port needs a port: {problem}"
        remedy = f"write one from {_NODE_PORTS.start} to {_NODE_PORTS.stop - 1}"
        yield Violation((*path, "port"), message, remedy, needs=((*path, "type"),))
    elif exposure.port is not UNSET and exposure.port not in PORTS:
        yield Violation((*path, "port"), f"{exposure.port} is not a port", "write one from 1 to 65535")


def networks(declaration: Declaration) -> Iterator[Violation]:
    """The fleet's networks are CIDRs of an address outside, and bound something."""
    fleet = declaration.superlink.exposure.fleet
    path: KeyPath = (*_EXPOSURE, "fleet", "networks")
    if fleet.type == "cluster" and fleet.networks:
        message = "`networks` means nothing for the type cluster: policies see the SuperLink's pod"
        needs = ((*_EXPOSURE, "fleet", "type"),)
        yield Violation(path, message, f"remove it, or choose the type {_OUTSIDE}", needs=needs)
        return
    for index, text in enumerate(fleet.networks):
        yield from bounding((*path, index), text, "the SuperLink's")


def bounding(path: KeyPath, text: str, whose: str) -> Iterator[Violation]:
    """Yield a violation unless `text` is a CIDR that bounds something."""
    network = grammar.network(text)
    if not network:
        yield Violation(path, f"{show(text)} is not a CIDR", "write it as in 203.0.113.7/32")
    elif network.endswith("/0"):
        remedy = f"write {whose} own addresses, as in 203.0.113.7/32"
        yield Violation(path, f"{text} is every address, which bounds nothing", remedy)
    elif grammar.ip_address(text.partition("/")[0]) != network.partition("/")[0] or "/" not in text:
        what = "has bits beyond its prefix" if "/" in text else "is an address, not a network"
        yield Violation(path, f"{text} {what}", f"write {network}")


def distinct(declaration: Declaration) -> Iterator[Violation]:
    """The two audiences are not exposed at the same address."""
    (fleet_path, fleet, fleet_port), (path, control, control_port) = audiences(declaration)
    same_port = outside_port(fleet, fleet_port) == outside_port(control, control_port)
    if "cluster" in (fleet.type, control.type) or not same_port:
        return
    needs = (fleet_path, (*path, "port"), (*path, "host"))
    if fleet.type == control.type == "node-port":
        message = "control and fleet are exposed at the same port of all machines"
        yield Violation((*path, "port"), message, "give them different ports", needs=needs)
    elif fleet.host and fleet.host.lower() == control.host.lower():
        message = "control and fleet are exposed at the same address and port"
        yield Violation(
            (*path, "host"), message, "give one of them another host or another port", needs=needs
        )


def within_reach(declaration: Declaration) -> Iterator[Violation]:
    """A tenant in another cluster can reach the SuperLink's fleet address."""
    superlink = declaration.superlink
    if superlink.exposure.fleet.type != "cluster":
        return
    for index, tenant in enumerate(declaration.tenants):
        if tenant.context and tenant.context != superlink.context:
            path: KeyPath = ("tenants", index, "context")
            home = show(superlink.context) if superlink.context else "the current context"
            where = f"the tenant is in {show(tenant.context)}, the SuperLink in {home}"
            message = f"{where}, and the fleet's exposure reaches its own cluster only"
            remedy = "set superlink.exposure.fleet to a type such as load-balancer, with its host"
            if declaration.insecure:
                remedy = "an insecure federation stays in one cluster: remove the context"
            needs = (("superlink", "context"), (*_EXPOSURE, "fleet"))
            yield Violation(path, message, remedy, needs=needs)


def contexts(declaration: Declaration) -> Iterator[Violation]:
    """A kubeconfig context is one printable word, which no program takes for an option."""
    declared: list[tuple[KeyPath, str]] = [(("superlink", "context"), declaration.superlink.context)]
    declared += [
        (("tenants", index, "context"), tenant.context) for index, tenant in enumerate(declaration.tenants)
    ]
    for path, context in declared:
        if context.startswith("-") or not context.isprintable() or context != context.strip():
            yield Violation(
                path, f"{show(context)} is not a context", "write one of `kubectl config get-contexts`"
            )


def cluster_domain(declaration: Declaration) -> Iterator[Violation]:
    """The cluster's domain is a DNS name."""
    domain = declaration.superlink.cluster_domain
    if not grammar.is_host_name(domain) or domain != domain.lower():
        message = f"{foreign(domain) or show(domain)}: no DNS domain"
        yield Violation(("superlink", "cluster-domain"), message, "write it as in cluster.local")


def proxies(declaration: Declaration) -> Iterator[Violation]:
    """A tenant's proxy has an address that can be used, holds no secret, and is said once."""
    for index, tenant in enumerate(declaration.tenants):
        path: KeyPath = ("tenants", index, "proxy")
        proxy = tenant.proxy
        if not proxy.https:
            if proxy != TenantProxy():
                remedy = "add it: https: http://proxy.example.org:3128"
                yield Violation((*path, "https"), "the proxy has no `https`", remedy)
            continue
        yield from _proxy_address((*path, "https"), proxy.https)
        for number, entry in enumerate(proxy.no_proxy):
            if not _HOSTS.fullmatch(entry):
                message = f"{show(entry)} means nothing to Flower's clients"
                remedy = "write a host, an address, or a domain as in .example.org"
                yield Violation((*path, "no-proxy", number), message, remedy)
        for number, text in enumerate(proxy.networks):
            yield from bounding((*path, "networks", number), text, "the proxy's")
        if proxy.secret and not _DNS_NAME.fullmatch(proxy.secret):
            yield Violation((*path, "secret"), f"{show(proxy.secret)} is not a Secret name", "write its name")
        if proxy.namespace and not _LABEL.fullmatch(proxy.namespace):
            message = f"{show(proxy.namespace)} is not a namespace name"
            yield Violation((*path, "namespace"), message, "write its name")
        for variable in sorted({"HTTPS_PROXY", "https_proxy", "NO_PROXY"} & set(tenant.env)):
            message = f"`{variable}` is what `proxy` sets"
            yield Violation(
                ("tenants", index, "env", variable), message, "remove it", needs=(path,), on_key=True
            )


def _proxy_address(path: KeyPath, text: str) -> Iterator[Violation]:
    if "@" in text:
        what = "a user or password in the declaration would be read by everybody who reads that"
        remedy = "write the address without it, and name a Secret by `secret`"
        yield Violation(path, what, remedy)
    elif not (match := _PROXY.fullmatch(text)) or int(match[2]) not in PORTS:
        yield Violation(path, f"{show(text)} is not an HTTP proxy address", _AS_IN)
    elif not (grammar.ip_address(match[1].strip("[]")) or grammar.is_host_name(match[1])):
        yield Violation(path, f"{show(match[1])}: no DNS name and no IP address", _AS_IN)


_TLS: KeyPath = ("superlink", "tls")
_DAYS = range(1, 3651)
_ISSUER = re.compile(rf"(?:(?:Cluster)?Issuer/)?{grammar.DNS_NAME}")
_NEEDS: tuple[KeyPath, ...] = ((*_TLS, "source"),)


def source(declaration: Declaration) -> Iterator[Violation]:
    """Each source has what it needs, and nothing that it ignores."""
    tls = declaration.superlink.tls
    if tls.source == "existing-secret" and not tls.secret:
        message = "the source existing-secret needs `secret`, the name of that Secret"
        yield Violation((*_TLS, "secret"), message, "add it: secret: fleet-tls", needs=_NEEDS)
    if tls.source == "generated" and tls.secret:
        message = "`secret` means nothing for the source generated, which names its Secret itself"
        yield Violation(
            (*_TLS, "secret"), message, "remove it, or write source: existing-secret", needs=_NEEDS
        )
    if tls.source == "cert-manager" and not tls.issuer:
        message = "the source cert-manager needs `issuer`"
        yield Violation(
            (*_TLS, "issuer"), message, "add it: issuer: ClusterIssuer/NAME, or NAME", needs=_NEEDS
        )
    if tls.source != "cert-manager" and tls.issuer:
        message = f"`issuer` means nothing for the source {tls.source}"
        yield Violation((*_TLS, "issuer"), message, "remove it, or write source: cert-manager", needs=_NEEDS)
    if tls.source == "generated" and tls.ca:
        message = "`ca` means nothing for the source generated, which brings its own CA"
        yield Violation((*_TLS, "ca"), message, "remove it, or write source: existing-secret", needs=_NEEDS)


def well_formed(declaration: Declaration) -> Iterator[Violation]:
    """Names, the Secret, the issuer, the CA and the days are what they should be."""
    tls = declaration.superlink.tls
    for index, name in enumerate(tls.names):
        yield from host((*_TLS, "names", index), name, wildcard=True)
    if tls.secret:
        yield from object_name((*_TLS, "secret"), tls.secret, "Secret")
    if tls.issuer and not _ISSUER.fullmatch(tls.issuer):
        message = f"{show(tls.issuer)} is not an issuer"
        yield Violation((*_TLS, "issuer"), message, "write NAME, Issuer/NAME or ClusterIssuer/NAME")
    if tls.ca:
        try:
            canonical_certificates(tls.ca)
        except CaCertificateError as error:
            remedy = "write the CA's certificate in PEM: lines from BEGIN CERTIFICATE to END CERTIFICATE"
            yield Violation((*_TLS, "ca"), f"the text {error}", remedy)
    if tls.days not in _DAYS:
        message = f"a certificate cannot live {tls.days} days"
        yield Violation((*_TLS, "days"), message, f"write a number from {_DAYS.start} to {_DAYS.stop - 1}")
    if tls.renew_before not in range(max(1, tls.days)):
        message = f"a certificate of {tls.days} days cannot be renewed {tls.renew_before} days before its end"
        yield Violation((*_TLS, "renew-before"), message, "write fewer days than `days`, or leave it out")


def not_insecure(declaration: Declaration) -> Iterator[Violation]:
    """An insecure federation says nothing of TLS."""
    if declaration.insecure and declaration.superlink.tls != Tls():
        message = "`insecure: true` means no TLS, so nothing here would be used"
        yield Violation(
            _TLS, message, "remove `tls`, or write insecure: false", on_key=True, needs=(("insecure",),)
        )


RULES = (
    *(complete, networks, distinct, within_reach, contexts, cluster_domain, proxies),
    *(source, well_formed, not_insecure),
)
