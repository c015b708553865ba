"""What the certificates say of time: each date, and what comes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flowerbed.errors import IdentityError
from flowerbed.identities import CertificateAuthority, validity
from support import certificates
from support.certificates import NOW, PLACE

authority = certificates.authority
fixed_time = certificates.fixed_time


@pytest.mark.parametrize("days", [1, 365])
def test_life_begins_in_the_past_and_ends_to_the_day(authority: CertificateAuthority, days: int) -> None:
    """Five minutes for clocks that are behind, then exactly the days that were asked for, UTC."""
    for pair in (authority.issue_server(["a"], [], days), authority.issue_client("a", "viewer", days)):
        assert pair.parsed.not_valid_before_utc == NOW - timedelta(minutes=5)
        assert pair.not_after == NOW + timedelta(days=days)
        assert authority.life(pair) == f"valid until {NOW + timedelta(days=days):%Y-%m-%d}"


def test_nothing_outlives_its_authority(authority: CertificateAuthority) -> None:
    """More days than the CA has left end with the CA, and that is said."""
    for pair in (authority.issue_server(["a"], [], 9999), authority.issue_client("a", "viewer", 9999)):
        assert pair.not_after == authority.not_after
        assert authority.life(pair) == "valid until 2036-11-21, when the CA ends"


def test_the_clock_has_no_fractions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real clock is UTC in whole seconds, as certificates are."""
    monkeypatch.undo()
    moment = validity.now()
    assert (moment.microsecond, moment.tzinfo) == (0, UTC)
    assert abs(datetime.now(UTC) - moment) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("days", "ahead", "left"),
    [(365, 0, None), (365, 334, None), (365, 336, 29), (365, 364, 1), (9, 0, None), (9, 7, 2)],
)
def test_an_end_that_is_near_is_told(
    authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch, days: int, ahead: int, left: int | None
) -> None:
    """The last 30 days are told, or the last third of a short life."""
    client = authority.issue_client("analyst", "viewer", days)
    monkeypatch.setattr(validity, "now", lambda: NOW + timedelta(days=ahead))
    assert client.days_left() == left


def test_dates_are_checked_at_both_ends(
    authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its beginning and after its end a certificate is refused with both dates, else it passes."""
    server = authority.issue_server(["a"], [], 10)
    for offset in (timedelta(minutes=-5), timedelta(0), timedelta(days=10)):
        monkeypatch.setattr(validity, "now", lambda offset=offset: NOW + offset)
        server.check_dates(PLACE)
    monkeypatch.setattr(validity, "now", lambda: NOW + timedelta(days=10, seconds=1))
    with pytest.raises(
        IdentityError, match=r"expired on 2026-12-04 06:30 UTC; it is 2026-12-04 06:30 UTC now"
    ):
        server.check_dates(PLACE)
    monkeypatch.setattr(validity, "now", lambda: NOW - timedelta(minutes=6))
    with pytest.raises(IdentityError, match=r"valid from 2026-11-24 06:25 UTC on; it is 2026-11-24 06:24"):
        server.check_dates(PLACE)
