"""What `status` says where a cluster's lists are not those of the bundles, and of certificates that end."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from flowerbed.bundles import generate, read_manifest
from flowerbed.identities import validity
from flowerbed.identities.revocations import revoke_users
from flowerbed.kubernetes.diagnosis.bundle_checks import certificate_statuses, differences, expiry_findings
from flowerbed.kubernetes.diagnosis.findings import Finding, healthy, problem
from flowerbed.kubernetes.network.admission import Lists
from flowerbed.plan import User
from support.plan_variants import change
from support.plans import federation

KEY, OTHER = "0f1e2d3c4b5a6978" + "0" * 48, "a" * 64
EARLY, LATE = "261129013328", "261130000000"
USERS, REVOKED, NODES, KEYS = "users", "revoked-users", "nodes.json", "revoked-keys"
# As the chart renders them.
DATA = {
    USERS: "# CN ROLE\nboss viewer\nsam submitter\n",
    REVOKED: f"# CN YYMMDDHHMMSS\nann {LATE}\n",
    NODES: json.dumps({"north-0": "one", "south-0": "two"}),
    KEYS: f"# SHA-256\n{KEY}",
}


def lists(changed: dict[str, str]) -> Lists:
    return msgspec.convert({"metadata": {"name": "admission"}, "data": DATA | changed}, Lists)


def test_equal_lists_are_no_difference() -> None:
    """Comments, blank lines, order and what the registrar alone is told do not count."""
    there = lists({USERS: "sam submitter\n\nboss viewer", "max-removals": "7"})
    assert list(differences(lists({}), there)) == []


@pytest.mark.parametrize(
    ("there", "title", "text"),
    [
        ({USERS: "boss operator\nsam submitter"}, "differ", "user boss is operator instead of viewer"),
        ({USERS: "boss viewer"}, "differ", "user sam is missing"),
        ({USERS: DATA[USERS] + "eve viewer"}, "differ", "user eve is let in as viewer"),
        ({NODES: '{"north-0": "one"}'}, "differ", "node south-0 is missing"),
        ({NODES: "[" * 100_000}, "differ", "node north-0 is missing; node south-0 is missing"),
        (
            {NODES: json.dumps({"north-0": "one", "south-0": "old", "west-0": "x"})},
            "differ",
            "node south-0 is admitted with another key; node west-0 is admitted",
        ),
        ({REVOKED: ""}, "revoked in the bundles, but not in the cluster", "user ann"),
        ({REVOKED: f"ann {EARLY}"}, "revoked in the bundles, but not in the cluster", "user ann"),
        ({KEYS: "# SHA-256"}, "revoked in the bundles, but not in the cluster", f"key {KEY[:16]}"),
        ({KEYS: f"{KEY}\n{OTHER}"}, "revoked in the cluster, but not in the bundles", f"key {OTHER[:16]}"),
        ({REVOKED: DATA[REVOKED] + f"sam {EARLY}"}, "revoked in the cluster, but not", "user sam"),
    ],
)
def test_each_difference_is_named(there: dict[str, str], title: str, text: str) -> None:
    """It is a problem of its own kind, with cause and remedy."""
    (what,) = differences(lists({}), lists(there))
    assert title in what
    assert what.endswith(f": {text}")
    found = problem(what)
    assert found.symptom in {"lists-differ", "revocations-undone", "revocations-unknown"}
    assert found.cause
    assert "flowerbed apply" in found.remedy


def test_many_differences_stay_readable() -> None:
    """A list that is lost whole is one problem, not a thousand."""
    nodes = json.dumps({f"north-{number}": "key" for number in range(1000)})
    (what,) = differences(lists({NODES: nodes}), lists({NODES: nodes, KEYS: DATA[KEYS], USERS: ""}))
    assert what.endswith("user boss is missing; user sam is missing")
    (what,) = differences(lists({NODES: nodes}), lists({NODES: "{}"}))
    assert len(what) < 500


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
