"""Identities are renewed only for a reason, warn before they end, and are refused when they ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from flowerbed import identities
from flowerbed.errors import IdentityError
from flowerbed.identities import (
    CertificateAuthority,
    Event,
    ensure_authority,
    ensure_coordinator,
    ensure_user,
)
from flowerbed.identities.authority_store import rotate_authority
from support import identity_store
from support.identity_store import ANALYST, ensure_all, kinds, snapshot
from support.plans import federation, with_tls

folder = identity_store.folder
travel = identity_store.travel


def test_a_new_name_renews_the_server_certificate(folder: Path) -> None:
    """A name that the certificate lacks renews it, with the reason; the SuperExec secret and the CA stay."""
    plan = federation()
    ensure_all(plan, folder)
    before = identities.load(plan, folder)
    more = with_tls(plan, dns_names=(*plan.superlink.tls.dns_names, "fleet.example.org"))
    with pytest.raises(IdentityError, match=r"does not serve: the last one lacks fleet\.example\.org"):
        identities.load(more, folder)
    (event,) = ensure_all(more, folder)
    assert (event.kind, event.what) == ("renewed", "server certificate")
    assert event.reason.startswith("the last one lacks fleet.example.org; valid until ")
    after = identities.load(more, folder)
    assert after.server != before.server
    assert (after.authority, after.superexec_secret) == (before.authority, before.superexec_secret)


def test_fewer_names_and_other_days_renew_nothing(folder: Path) -> None:
    """A certificate that says more than the plan asks for is still right: valid is valid."""
    plan = federation()
    ensure_all(plan, folder)
    before = snapshot(folder)
    fewer = with_tls(plan, dns_names=plan.superlink.tls.dns_names[:1], ip_addresses=(), days=30)
    assert ensure_all(fewer, folder) == []
    assert snapshot(folder) == before


def test_a_new_role_renews_the_users_certificate(folder: Path) -> None:
    """The new certificate says the new role, and begins after the last one."""
    ensure_all(federation(), folder)
    before = identities.load(federation(), folder).users["analyst"]
    plan = federation(role="operator")
    with pytest.raises(IdentityError, match="does not serve: the last one says analyst, submitter"):
        identities.load(plan, folder)
    (event,) = ensure_all(plan, folder)
    assert (event.kind, event.what) == ("renewed", "certificate of user analyst")
    assert event.reason.startswith("the last one says analyst, submitter; role operator, valid until ")
    after = identities.load(plan, folder).users["analyst"]
    assert after.role == "operator"
    assert after.not_before > before.not_before
    assert after.private_key != before.private_key


def test_a_new_authority_renews_what_the_old_one_signed(folder: Path) -> None:
    """With the folder ca deleted, a new CA and new certificates come; node keys and SuperExec secret stay."""
    plan = federation()
    ensure_all(plan, folder)
    before = identities.load(plan, folder)
    for path in (folder / "ca").iterdir():
        path.unlink()
    events = ensure_all(plan, folder)
    assert kinds(events) == [
        ("made", "CA certificate"),
        ("renewed", "server certificate"),
        ("renewed", "certificate of user analyst"),
    ]
    assert all("another CA issued the last one" in event.reason for event in events[1:])
    after = identities.load(plan, folder)
    assert after.authority != before.authority
    assert (after.node_keys, after.superexec_secret) == (before.node_keys, before.superexec_secret)
    assert (folder / "users/analyst/ca.crt").read_bytes() == (folder / "ca/ca.crt").read_bytes()


def test_certificates_of_another_authority_do_not_load(folder: Path) -> None:
    """`load` makes nothing, so what another CA signed is refused with path and remedy."""
    plan = federation()
    ensure_all(plan, folder)
    other = CertificateAuthority.create("hospitals")
    (folder / "ca/ca.key").write_bytes(other.private_key)
    (folder / "ca/ca.crt").write_bytes(other.certificate)
    with pytest.raises(IdentityError, match=r"coordinator/secrets\.yaml: .*another CA issued the last one"):
        identities.load(plan, folder)
    ensure_coordinator(plan, folder, other)
    with pytest.raises(IdentityError, match=r"users/analyst/client\.crt: .*another CA issued the last one"):
        identities.load(plan, folder)
    ensure_user(plan, ANALYST, folder, other)
    assert identities.load(plan, folder).authority == other


def test_certificates_are_renewed_in_the_last_part_of_their_life(
    folder: Path, travel: Callable[[float], datetime]
) -> None:
    """Gateway's and users' are renewed as long before their end as the plan says, once, with the reason."""
    plan = with_tls(federation(), renew_hours=24 * 100)
    ensure_all(plan, folder)
    before = identities.load(plan, folder)
    travel(264)
    assert ensure_all(plan, folder) == []
    travel(266)
    events = ensure_all(plan, folder)
    assert kinds(events) == [("renewed", "server certificate"), ("renewed", "certificate of user analyst")]
    assert all(
        event.reason.startswith(f"the last one ends on {before.users['analyst'].not_after:%Y-%m-%d}; ")
        for event in events
    )
    assert ensure_all(plan, folder) == []
    assert identities.load(plan, folder).superexec_secret == before.superexec_secret


def test_expired_certificates_are_renewed(folder: Path, travel: Callable[[float], datetime]) -> None:
    """What Flowerbed signs itself is no error when it has expired: it is made anew."""
    plan = federation()
    ensure_all(plan, folder)
    before = identities.load(plan, folder)
    travel(400)
    with pytest.raises(IdentityError, match="the server certificate expired on "):
        identities.load(plan, folder)
    events = ensure_all(plan, folder)
    assert kinds(events) == [("renewed", "server certificate"), ("renewed", "certificate of user analyst")]
    assert all(event.reason.startswith("the last one expired on ") for event in events)
    after = identities.load(plan, folder)
    assert after.users["analyst"].not_before > before.users["analyst"].not_before


def test_an_expired_authority_is_refused(folder: Path, travel: Callable[[float], datetime]) -> None:
    """Nothing is signed by an expired CA; its rotation, which the message names, ends that."""
    plan = federation()
    ensure_all(plan, folder)
    travel(3651)
    with pytest.raises(IdentityError, match=r"ca/ca\.crt: the CA certificate expired on") as refusal:
        ensure_authority(plan, folder)
    assert "beginning with `flowerbed rotate ca`" in refusal.value.remedy
    for _ in (1, 2):
        rotate_authority(plan, folder, distributed=True)
    assert len(ensure_all(plan, folder)) == 2


def test_an_authority_near_its_end_is_a_warning(folder: Path, travel: Callable[[float], datetime]) -> None:
    """As soon as it shortens what it signs, each look says so, with the first command of its rotation."""
    plan = federation()
    ensure_all(plan, folder)
    travel(3284)
    assert [kind for kind, _ in kinds(ensure_all(plan, folder))] == ["renewed", "renewed"]
    travel(3286)
    (event,) = ensure_all(plan, folder)
    assert (event.kind, event.what, event.warning) == ("expiring", "CA certificate", True)
    assert event.reason.startswith("364 days left, until ")
    assert event.reason.endswith("; replace it in three steps, beginning with `flowerbed rotate ca`")


def test_close_to_the_authoritys_end_nothing_is_renewed_again_and_again(
    folder: Path, travel: Callable[[float], datetime]
) -> None:
    """A certificate that ends with its CA cannot be replaced by a longer one, so it stays."""
    plan = federation()
    ensure_all(plan, folder)
    travel(3600)
    assert ("renewed", "server certificate") in kinds(ensure_all(plan, folder))
    travel(3640)
    assert {kind for kind, _ in kinds(ensure_all(plan, folder))} == {"expiring"}


def test_an_old_authority_shortens_what_it_signs(folder: Path, travel: Callable[[float], datetime]) -> None:
    """Close to its end, the CA signs to its own last second, and the event says so."""
    plan = federation()
    authority = ensure_authority(plan, folder)
    assert authority is not None
    travel(3600)
    events: list[Event] = []
    coordinator = ensure_coordinator(plan, folder, authority, events.append)
    assert coordinator.server is not None
    assert coordinator.server.not_after == authority.not_after
    assert events[0].reason.endswith(", when the CA ends")


def test_a_clock_that_is_far_behind_is_noticed(folder: Path, travel: Callable[[float], datetime]) -> None:
    """Certificates from the future are refused, and the clock is what to look at first."""
    ensure_all(federation(), folder)
    travel(-2)
    with pytest.raises(
        IdentityError, match=r"the CA certificate is valid from .* on; it is .* now"
    ) as refusal:
        ensure_authority(federation(), folder)
    assert refusal.value.remedy.startswith("set this machine's clock")
