"""What `status` says where the lists in the cluster are not those of the bundles."""

from __future__ import annotations

import json

import msgspec
import pytest

from flowerbed.kubernetes.diagnosis.drift import differences
from flowerbed.kubernetes.diagnosis.findings import problem
from flowerbed.kubernetes.network.admission import Lists

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
