"""How long a follower bears with a SuperLink that does not answer."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from flowerbed.flower import follow as flower_follow
from flowerbed.flower.client import FlowerClient
from flowerbed.flower.connection import Connection
from flowerbed.flower.follow import Follower
from flowerbed.flower.options import FollowOptions

LIMIT = 30.0  # seconds
NOBODY = Connection(address="127.0.0.1:1", insecure=True)


class Clock:
    """A clock that goes on when the test says so."""

    now = 0.0
    sleep = staticmethod(time.sleep)

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(flower_follow, "time", made)
    return made


@pytest.fixture
def follower(clock: Clock) -> Iterator[Follower]:
    following = FollowOptions(say=lambda _: None, log=lambda _: None, unreachable_timeout=LIMIT)
    with FlowerClient(NOBODY) as client:
        yield Follower(client, 7, following)


def test_an_absence_has_a_limit(follower: Follower, clock: Clock) -> None:
    """It is given up after the limit, with exit code 3."""
    for _ in range(int(LIMIT)):
        clock.now += 1
        assert follower._look() is None
    clock.now += 1
    outcome = follower._look()
    assert outcome is not None
    assert (outcome.exit_code, outcome.status) == (3, "unknown")
    assert outcome.reason.endswith("for 30 s now")


@pytest.mark.parametrize("asleep", [45, 8 * 3600], ids=["short", "long"])
def test_sleep_is_no_absence(follower: Follower, clock: Clock, asleep: float) -> None:
    """After a sleep of this machine, the first look that fails ends nothing, however long it slept."""
    clock.now += asleep
    assert follower._look() is None


def test_after_a_long_sleep_the_limit_counts_anew(follower: Follower, clock: Clock) -> None:
    """Who slept for hours has the whole limit before the SuperLink is given up."""
    clock.now += 8 * 3600
    for _ in range(int(LIMIT)):
        assert follower._look() is None
        clock.now += 1
    assert follower._look() is None
    clock.now += 1
    assert follower._look() is not None
