"""What `check` warns of: reach that policies cannot bound, and certificates that cannot work."""

from __future__ import annotations

import pytest

from flowerbed.bundles.render import supernode_install
from flowerbed.declaration.cautions import cautions
from flowerbed.plan import Plan, TenantProxy
from support.plan_variants import change, variants, with_superlink

VARIANTS = variants()
PLAIN = VARIANTS["plain"]


def said(plan: Plan, *, of: str) -> list[str]:
    """Return the cautions that hold a text."""
    return [text for text in map(str, cautions(plan)) if of in text]


def with_tls(**changes: str) -> Plan:
    return with_superlink(PLAIN, tls=change(PLAIN.superlink.tls, **changes))


@pytest.mark.parametrize(("networks", "count"), [((), 1), (("192.0.2.7/32",), 0)])
def test_names_bound_no_egress(networks: tuple[str, ...], count: int) -> None:
    """A name outside whose addresses are unknown is worth a warning, with the field that ends it."""
    plan = VARIANTS["load-balancer"]
    plan = with_superlink(plan, fleet=change(plan.superlink.fleet, networks=networks))
    assert (
        len(said(plan, of="any address")) == len(said(plan, of="superlink.exposure.fleet.networks")) == count
    )
    assert not said(PLAIN, of="any address")
    text = supernode_install(plan, plan.tenants[0], has_authority=True)
    assert ("superlinkCidrs" in text) is bool(count)


def test_a_proxy_that_may_be_anywhere() -> None:
    """A known one is all that nodes may dial; INSTALL.md asks for the Secret with its password."""
    plan = VARIANTS["load-balancer"]
    for networks, count in (((), 1), (("192.0.2.9/32",), 0)):
        proxy = TenantProxy(https="http://proxy:3128", secret="proxy-address", networks=networks)
        behind = change(plan, tenants=tuple(change(one, proxy=proxy) for one in plan.tenants))
        assert (
            len(said(behind, of="on the port of their proxy")) == len(said(behind, of="any address")) == count
        )
        text = supernode_install(behind, behind.tenants[0], has_authority=True)
        assert "create secret generic proxy-address" in text
        assert "superlinkCidrs" not in text


@pytest.mark.parametrize("issuer", ["ClusterIssuer/letsencrypt-prod", "Issuer/acme-staging"])
def test_public_issuers(issuer: str) -> None:
    """A public CA cannot certify the names within a cluster; an issuer of one's own can."""
    [text] = said(with_tls(source="cert-manager", issuer=issuer), of="public CA,")
    assert issuer in text
    assert not said(with_tls(source="cert-manager", issuer="ClusterIssuer/hospital-ca"), of="public CA,")


@pytest.mark.parametrize("source", ["cert-manager", "existing-secret"])
def test_certificates_of_others_need_their_ca(source: str) -> None:
    """Without `tls.ca` the parties trust public CAs alone, which is said; with it, nothing is."""
    assert said(with_tls(source=source, issuer="Issuer/own"), of="without `tls.ca`")
    assert not said(with_tls(source=source, issuer="Issuer/own", ca="PEM"), of="without `tls.ca`")
    assert not said(PLAIN, of="tls.ca")
