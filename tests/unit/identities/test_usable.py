"""Whose certificate `status`, `doctor` and `connection` come with: one that counts, with the least rights."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from flowerbed.bundles import generate
from flowerbed.cli.connection import first_user
from flowerbed.errors import UsageError
from flowerbed.identities import validity
from flowerbed.identities.revocations import revoke_users
from flowerbed.identities.users import usable_users
from flowerbed.kubernetes.network.probe import connections
from flowerbed.plan import User
from support.plan_variants import change
from support.plans import federation

PLAN = change(
    federation(),
    users=(
        User(name="olga", role="operator"),
        User(name="sam", role="submitter"),
        User(name="vera", role="viewer"),
        User(name="vic", role="viewer"),
    ),
)


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    generate(PLAN, tmp_path / PLAN.name)
    return tmp_path / PLAN.name


def asked_with(bundles: Path) -> list[str]:
    return [str(one.client_certificate).split("/")[-2] for one in connections(PLAN, bundles)]


def test_the_least_role_comes_first(bundles: Path) -> None:
    """With nothing wrong, viewers are asked with before anybody who could do more."""
    assert asked_with(bundles) == ["vera", "vic", "sam", "olga"]
    assert first_user(PLAN, bundles) == "olga"  # the first declared one who may submit


def test_a_revoked_user_is_passed_over(bundles: Path) -> None:
    """The next viewer is asked with, and then whoever has the least rights; the reason is told by name."""
    revoke_users(bundles, ["vera"])
    assert asked_with(bundles) == ["vic", "sam", "olga"]
    revoke_users(bundles, ["vic", "olga"])
    assert asked_with(bundles) == ["sam"]
    assert usable_users(PLAN, bundles).others == dict.fromkeys(("vera", "vic", "olga"), "revoked")
    assert first_user(PLAN, bundles) == "sam"


def test_an_expired_or_future_certificate_is_passed_over(
    bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dates are judged at the moment of asking."""
    today = validity.now()
    for moved, reason in ((800, "expired on"), (-800, "not valid before")):
        monkeypatch.setattr(validity, "now", lambda moved=moved: today + timedelta(days=moved))
        found = usable_users(PLAN, bundles)
        assert found.users == ()
        assert all(why.startswith(reason) for why in found.others.values())


def test_files_that_are_missing_or_broken_are_told(bundles: Path) -> None:
    """A folder that was handed out and removed, or a file that is not a certificate, is no way to ask."""
    (bundles / "users/vera/client.key").unlink()
    (bundles / "users/vic/client.crt").write_text("nothing")
    assert usable_users(PLAN, bundles).others == {
        "vera": "no certificate and key here",
        "vic": "client.crt is not a certificate",
    }
    assert asked_with(bundles) == ["sam", "olga"]


def test_that_nobody_can_be_asked_with_is_said(bundles: Path) -> None:
    """The message names each user with the reason, and what to do."""
    revoke_users(bundles, [user.name for user in PLAN.users])
    with pytest.raises(
        UsageError, match=r"can be used.*vera: revoked; vic: revoked; sam: revoked"
    ) as refused:
        list(connections(PLAN, bundles))
    assert "rotate certificate --user NAME" in refused.value.remedy


def test_an_insecure_federation_has_no_certificates(tmp_path: Path) -> None:
    """There everybody counts, and with no user at all the address alone is enough."""
    plan = change(PLAN, insecure=True, admission="open", users=())
    (only,) = connections(plan, tmp_path)
    assert only.insecure
