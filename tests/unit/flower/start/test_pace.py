"""How long Flower's processes wait: briefly after work, as Flower does without, never so as to overload."""

from __future__ import annotations

import importlib
import time
from types import ModuleType

import pytest

from flowerbed.flower.start import hooks, pace
from flowerbed.flower.start.pace import Pace

PLACES = [
    (hooks.SUPERNODE, hooks.TIME),
    (hooks.SUPEREXEC_LOOP, hooks.TIME),
    (hooks.GRID, hooks.TIME),
    (hooks.STRATEGIES, hooks.SLEEP),
]


class Clock:
    """A clock that a test sets, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock that `pace` reads."""
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made.monotonic)
    return made


@pytest.mark.parametrize(
    ("since", "asked", "waits"),
    [
        *((0, 3, 0.25), (2, 3, 0.25), (10, 3, 1.0), (30, 3, 3), (3600, 3, 3)),
        *((0, 0.5, 0.02), (2, 0.5, 0.2), (60, 0.5, 0.5), (0, 0.01, 0.01)),
    ],
)
def test_a_wait_is_a_tenth_of_the_time_since_there_was_work(
    clock: Clock, since: float, asked: float, waits: float
) -> None:
    """Between its shortest and Flower's own, which is never exceeded."""
    kept = Pace(0.25, 0.02)
    clock.now += since
    assert kept.wait(asked) == pytest.approx(waits)


def test_a_slow_answer_makes_all_wait_longer(clock: Clock) -> None:
    """Four times as long as the last answer took; an answer with work in it makes the pace fast again."""
    kept = Pace(0.25, 0.02)
    answers: list[object] = [None, [], 5]

    def ask() -> object:
        clock.now += 0.2
        return answers.pop(0)

    asking = kept.worked(ask)
    assert asking() is None
    assert kept.wait(3) == pytest.approx(0.8)
    assert kept.wait(0.5) == pytest.approx(0.02)
    clock.now += 100
    assert asking() == []
    assert kept.wait(3) == pytest.approx(3)
    assert asking() == 5
    assert kept.wait(3) == pytest.approx(0.8)


@pytest.mark.parametrize(("declared", "seconds"), [("", 0.25), ("1.5", 1.5), ("0.01", 0.25), ("often", 0.25)])
def test_a_large_federation_declares_a_longer_wait(
    monkeypatch: pytest.MonkeyPatch, declared: str, seconds: float
) -> None:
    """So that all its SuperNodes together leave the SuperLink time for others."""
    monkeypatch.setenv(pace.PULL_INTERVAL, declared)
    assert pace._pull_interval() == seconds


def _added(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """Add the pace to Flower's modules, for one test."""
    modules = {name: importlib.import_module(name) for name, _ in PLACES}
    for name, attribute in PLACES:
        monkeypatch.setattr(modules[name], attribute, getattr(modules[name], attribute))
    node, executor = modules[hooks.SUPERNODE], importlib.import_module(hooks.EXECUTOR)
    for place, names in [
        (node, (hooks.RECEIVE, hooks.SEND)),
        (getattr(executor, hooks.EXECUTOR_CLASS), (hooks.LAUNCH,)),
        (getattr(modules[hooks.GRID], hooks.GRID_CLASS), (hooks.PUSH, hooks.PULL)),
    ]:
        for name in names:
            monkeypatch.setattr(place, name, getattr(place, name))
    for name in hooks.PULLING:
        function = getattr(importlib.import_module(hooks.OBJECTS), name)
        monkeypatch.setitem(function.__kwdefaults__, hooks.BACKOFF, 1)
    return modules


def test_every_wait_of_flower_is_adapted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the installed Flower, where no name has moved; the rest of `time` is there."""
    modules = _added(monkeypatch)
    pace.supernode()
    pace.superexec()
    pace.app("flwr-serverapp")
    assert capsys.readouterr().err == ""
    for name, attribute in PLACES:
        found = getattr(modules[name], attribute)
        begun = time.monotonic()
        (found.sleep if isinstance(found, Pace) else found)(1.0)
        assert time.monotonic() - begun < 0.9, name
    assert modules[hooks.GRID].time.time() == pytest.approx(time.time(), abs=5)
    for name in hooks.PULLING:
        defaults = getattr(importlib.import_module(hooks.OBJECTS), name).__kwdefaults__
        assert defaults[hooks.BACKOFF] == pace.BACKOFF


@pytest.mark.parametrize(
    ("module", "name", "said"),
    [
        ("SUPERNODE", "RECEIVE", "this SuperNode asks for messages every 3 s"),
        ("SUPEREXEC_LOOP", "TIME", "this SuperExec asks for tasks every second"),
        ("EXECUTOR", "LAUNCH", "this SuperExec asks for tasks every second"),
        ("GRID", "PULL", "this ServerApp asks for replies every 3 s"),
        ("STRATEGIES", "SLEEP", "this ServerApp counts the nodes every second"),
        ("OBJECTS", "PULLING", "objects that are not there yet are asked for after 1 s"),
        ("OBJECTS", "BACKOFF", "objects that are not there yet are asked for after 1 s"),
    ],
)
def test_a_name_that_moved_leaves_flowers_own_pace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str, name: str, said: str
) -> None:
    """It is said; the other waits are adapted."""
    modules = _added(monkeypatch)
    moved = ("moved_1", "moved_2") if name == "PULLING" else "moved"
    monkeypatch.setattr(hooks, name, moved)
    if name == "TIME":  # one name in three modules
        monkeypatch.setattr(hooks, "TIME", "time")
        monkeypatch.delattr(modules[hooks.SUPEREXEC_LOOP], "time")
    pace.supernode()
    pace.superexec()
    pace.app("flwr-serverapp")
    errors = capsys.readouterr().err
    assert f"flowerbed: {said}: this version of Flower differs" in errors
    places = {"SUPERNODE": 0, "SUPEREXEC_LOOP": 1, "EXECUTOR": 1, "GRID": 2, "STRATEGIES": 3}
    for number, (place, attribute) in enumerate(PLACES):
        found = getattr(modules[place], attribute, None)
        adapted = isinstance(found, Pace) or isinstance(getattr(found, "__self__", None), Pace)
        assert adapted == (number != places.get(module)), place
