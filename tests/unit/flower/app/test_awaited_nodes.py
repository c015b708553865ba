"""How many nodes an app waits for, as far as its run config says."""

from __future__ import annotations

import time

import pytest

from flowerbed.flower.app.run_config import Scalar
from flowerbed.flower.nodes import wanted


@pytest.mark.parametrize(
    "key",
    [
        "min-nodes",
        "min_available_clients",
        "min-available-nodes",
        "min-train-nodes",
        "server.min-fit-clients",
        "min_supernodes",
    ],
)
def test_the_usual_keys_are_known(key: str) -> None:
    """Flower's strategies and apps with them call it so."""
    assert wanted({key: 3}) == (key, 3)


@pytest.mark.parametrize(
    "key", ["nodes", "num-nodes", "min-loss", "admin-nodes", "min-nodes-per-site", "minnodes"]
)
def test_other_keys_are_not(key: str) -> None:
    """A number that may mean something else is no number of nodes."""
    assert wanted({key: 3}) == ("", 0)


def test_the_largest_counts_and_only_integers() -> None:
    """A fraction and a switch are no number of nodes."""
    config: dict[str, Scalar] = {
        "min-nodes": 2,
        "min-fit-clients": 4,
        "min-train-nodes": 0.5,
        "min-eval-nodes": True,
    }
    assert wanted(config) == ("min-fit-clients", 4)
    assert wanted({}) == ("", 0)


def test_a_hostile_key_costs_no_time() -> None:
    """A key that would be tried in endless ways is not tried at all."""
    started = time.process_time()
    assert wanted({"min-" * 50_000: 3}) == ("", 0)
    assert time.process_time() - started < 1
