"""`flowerbed diff`: objects compared, and what counts as a difference."""

from __future__ import annotations

from flowerbed.kubernetes.verbs.diff import _compare, _matters


def test_objects_are_compared_whole() -> None:
    """Made, changed and removed objects are told apart; of a Secret no line is shown."""
    old = {("Secret", "a", "s"): {"data": 1}, ("Role", "a", "r"): {"x": 1}, ("Pod", "a", "p"): {}}
    new = {("Secret", "a", "s"): {"data": 2}, ("Role", "a", "r"): {"x": 2}, ("Job", "a", "j"): {}}
    found = {change.kind: change for change in _compare(old, new)}
    assert {kind: change.action for kind, change in found.items()} == {
        "Job": "create",
        "Pod": "remove",
        "Role": "change",
        "Secret": "change",
    }
    assert found["Secret"].lines == ()
    assert found["Role"].lines[-2:] == ("-x: 1", "+x: 2")


def test_a_counted_generation_is_no_difference() -> None:
    """What the API server counts by itself is passed over, what stands beside it is not."""
    counted = ["@@ -1 +1 @@", "-  generation: 1", "+  generation: 2"]
    assert not _matters(counted)
    assert _matters([*counted, "-  replicas: 1", "+  replicas: 2"])
