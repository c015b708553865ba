"""What a plan allows and is yet worth a second look: runs of others and keys that apps can read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flowerbed.plan import Plan

_SHARED = {
    "deployment": "each can read the code, settings and models of the other users' runs, and act as them",
    "sidecar": "each can read the other users' runs, and can do what an operator can",
}
# Public CAs that issue by ACME, as issuers of cert-manager are usually called.
_PUBLIC = re.compile(r"letsencrypt|lets-encrypt|acme|zerossl|buypass", re.IGNORECASE)
_NAMED = 5  # tenants by name in one line


@dataclass(frozen=True, slots=True)
class Caution:
    """One thing that is allowed: what it means, and what to declare to close it."""

    what: str
    remedy: str

    def __str__(self) -> str:
        """Return both as one line."""
        return f"{self.what}; {self.remedy}"


def cautions(plan: Plan) -> Iterator[Caution]:
    """Yield what apps may read that belongs to others, or reach; and a certificate that cannot work."""
    executor, users = plan.superlink.executor, len(plan.submitters)
    if users > 1 and executor in _SHARED:
        what = f"superlink.executor {executor}: the ServerApps of {users} users run under one account: "
        yield Caution(what + _SHARED[executor], "declare `executor: kubernetes` for one Pod per task")
    inside = [tenant.name for tenant in plan.tenants if tenant.isolation == "subprocess"]
    if inside and not plan.insecure:
        what = f"isolation subprocess ({_named(inside)}): every app there can read its node's private key"
        yield Caution(what, "declare `isolation: process`")
    yield from _of_reach(plan)
    yield from _of_certificates(plan)


def _named(tenants: list[str]) -> str:
    return ", ".join(tenants[:_NAMED]) + (f" and {len(tenants) - _NAMED} more" if tenants[_NAMED:] else "")


def _of_reach(plan: Plan) -> Iterator[Caution]:
    fleet = plan.superlink.fleet
    loose = [
        tenant.name
        for tenant in plan.tenants
        if tenant.proxy and not (tenant.proxy.networks or tenant.proxy.namespace)
    ]
    if loose:
        what = f"NetworkPolicies know no names, so nodes ({_named(loose)}) may reach any address"
        remedy = "declare its addresses: `proxy: {networks: [203.0.113.7/32]}`"
        yield Caution(f"{what} on the port of their proxy", remedy)
    if fleet.type != "cluster" and not fleet.networks and not all(tenant.proxy for tenant in plan.tenants):
        what = f"NetworkPolicies know no names, so nodes that dial {fleet.host} may reach any address"
        yield Caution(
            f"{what} on its port",
            "declare its addresses: `superlink.exposure.fleet.networks: [203.0.113.7/32]`",
        )


def _of_certificates(plan: Plan) -> Iterator[Caution]:
    tls = plan.superlink.tls
    if plan.insecure or tls.source == "generated":
        return
    if tls.source == "cert-manager" and _PUBLIC.search(tls.issuer):
        inside = [name for name in tls.dns_names if name.endswith((".svc", ".local")) or "." not in name]
        what = f"the issuer {tls.issuer} looks like a public CA, which certifies no internal names"
        named = f" ({', '.join(inside[:_NAMED])})" if inside else ""
        yield Caution(f"{what}{named} and gives no ca.crt", "use an issuer with a CA of your own")
    if not tls.ca:
        what = f"tls.source {tls.source} without `tls.ca`: tenants and users trust public CAs"
        yield Caution(what, "declare `tls.ca` unless a public CA issues the certificate")
