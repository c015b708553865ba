"""What `status` says of certificates that end: each warning names what really renews it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from flowerbed.bundles import generate, read_manifest
from flowerbed.identities import validity
from flowerbed.identities.revocations import revoke_users
from flowerbed.kubernetes.diagnosis.certificate_expiry import certificate_statuses, expiry_findings
from flowerbed.kubernetes.diagnosis.findings import Finding, healthy
from flowerbed.plan import User
from support.plan_variants import change
from support.plans import federation

PLAN = change(federation(), users=(User(name="sam", role="submitter"), User(name="vera", role="viewer")))


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    generate(PLAN, tmp_path)
    return tmp_path


def findings(bundles: Path) -> list[Finding]:
    found = certificate_statuses(read_manifest(PLAN, bundles), PLAN, bundles)
    return list(expiry_findings(found))


def after(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Let it be so many days later."""
    moment = validity.now() + timedelta(days=days)
    monkeypatch.setattr(validity, "now", lambda: moment)


def test_new_certificates_need_nothing(bundles: Path) -> None:
    """The CA, the gateway and each user are listed; none is told of."""
    found = certificate_statuses(read_manifest(PLAN, bundles), PLAN, bundles)
    assert [each.owner for each in found] == ["CA", "gateway", "user sam", "user vera"]
    assert findings(bundles) == []


def test_the_last_third_is_a_warning_that_a_generation_ends(
    bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the remedy names, `apply`, begins with a generation: afterwards nothing is told of."""
    after(monkeypatch, 365 * 2 // 3 + 2)
    found = findings(bundles)
    assert [(one.where, one.level) for one in found] == [
        ("gateway", "warning"),
        ("user sam", "warning"),
        ("user vera", "warning"),
    ]
    assert all("`flowerbed apply` renews it" in one.remedy for one in found)
    generate(PLAN, bundles)
    assert findings(bundles) == []


def test_an_ended_gateway_is_a_problem_and_an_ended_user_a_warning(
    bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One user's trouble is not the federation's; `apply` still puts both right."""
    after(monkeypatch, 400)
    found = {one.where: one.level for one in findings(bundles)}
    assert found == {"gateway": "problem", "user sam": "warning", "user vera": "warning"}
    generate(PLAN, bundles)
    assert healthy(findings(bundles))


def test_a_revoked_user_is_not_told_of(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing renews that certificate, and nobody misses it."""
    revoke_users(bundles, ["vera"])
    generate(PLAN, bundles)
    after(monkeypatch, 400)
    assert {one.where for one in findings(bundles)} == {"gateway", "user sam"}


def test_a_ca_near_its_end_names_its_rotation(bundles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`apply` renews no CA: every party would have to trust it first."""
    after(monkeypatch, 3650 - 100)
    (ca,) = [one for one in findings(bundles) if one.where == "CA"]
    assert (ca.level, "flowerbed rotate ca" in ca.remedy) == ("warning", True)
