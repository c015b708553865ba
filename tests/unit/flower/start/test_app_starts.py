"""Places for app processes that start: how many there are, who holds one, when one is free again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flowerbed.flower.start import app_starts
from flowerbed.flower.start import hooks as flower_hooks
from flowerbed.flower.start.app_starts import Places


def test_a_process_holds_its_place_until_it_has_begun(tmp_path: Path) -> None:
    """It inherits the place; another SuperExec with that folder finds it taken, then free."""
    places, others = Places(tmp_path, 1), Places(tmp_path, 1)
    place = places.take()
    assert place is not None
    text = "import os, sys; sys.stdin.readline(); os.close(int(sys.argv[1])); print(); sys.stdin.readline()"
    started = subprocess.Popen(
        [sys.executable, "-c", text, str(place)],
        pass_fds=(place,),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(place)
    assert started.stdin is not None
    assert started.stdout is not None
    assert (others.free(), others.take()) == (False, None)
    started.stdin.write("\n")
    started.stdin.flush()
    started.stdout.readline()
    assert started.poll() is None
    assert others.free()
    started.communicate("\n")


def test_a_process_that_ends_gives_its_place_free(tmp_path: Path) -> None:
    """Whatever became of it before it began."""
    places = Places(tmp_path, 1)
    place = places.take()
    assert place is not None
    started = subprocess.Popen(["sleep", "60"], pass_fds=(place,))
    os.close(place)
    assert not places.free()
    started.kill()
    started.wait()
    assert places.free()


def test_a_place_counts_for_as_long_as_its_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flower gives a task up after 30 s: one process starts in its place, and others wait as before."""
    monkeypatch.setattr(app_starts, "LONGEST", 0.2)
    places = Places(tmp_path, 1)
    place = places.take()
    assert place is not None
    assert not places.free()
    time.sleep(0.3)
    assert places.free()
    monkeypatch.setattr(app_starts, "LONGEST", 60.0)
    os.utime(tmp_path / "0", (0, 0))
    assert places.await_one() is None
    assert not places.free()
    os.close(place)


def test_every_place_is_taken_once(tmp_path: Path) -> None:
    """As many as there are, each by one."""
    places = Places(tmp_path, 3)
    taken = [places.take() for _ in range(4)]
    assert taken[3] is None
    assert len({place for place in taken if place is not None}) == 3
    for place in taken[:3]:
        assert place is not None
        os.close(place)


@pytest.mark.parametrize(("quota", "most"), [("150000 100000\n", 2), ("max 100000\n", 64), ("", 64)])
def test_cpus_are_those_of_the_control_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, most: int
) -> None:
    """A quota counts, rounded up; where there is none, the CPUs of the machine do."""
    file = tmp_path / "cpu.max"
    if quota:
        file.write_text(quota)
    monkeypatch.setattr(app_starts, "QUOTA", file)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert app_starts.cpus() == most


@pytest.mark.parametrize(
    ("module", "name"),
    [("flwr.nowhere", "x"), ("flwr.supercore.heartbeat", "moved_name"), ("flwr.app", "Error.moved_name")],
)
def test_a_name_that_moved_is_told(capsys: pytest.CaptureFixture[str], module: str, name: str) -> None:
    """Flower goes on in its own way; the log says what that costs."""
    assert flower_hooks.module(module, name, without="no limit on starts") is None
    assert "flowerbed: no limit on starts: this version of Flower differs: " in capsys.readouterr().err


def test_all_names_are_there() -> None:
    """In the installed Flower."""
    hooks = flower_hooks
    for program, module in hooks.APPS.items():
        assert (
            hooks.module(module, hooks.BEGUN[program], hooks.HEARTBEAT, hooks.INSTALL, without="") is not None
        )
    assert hooks.module(hooks.HEARTBEAT_MODULE, hooks.HEARTBEAT_INTERVAL, without="") is not None
    assert hooks.module(hooks.EXECUTOR, "SubprocessExecutor", "subprocess", without="") is not None
    assert hooks.module(hooks.SUPERNODE, hooks.RECEIVE, hooks.SEND, hooks.INSERT, without="") is not None
    state = [f"{hooks.STATE_CLASS}.{name}" for name in (hooks.FINISH, hooks.STORE_ERRORS)]
    assert hooks.module(hooks.NODE_STATE, *state, without="") is not None
    grid = [f"{hooks.GRID_CLASS}.{name}" for name in (hooks.PUSH, hooks.PULL)]
    assert hooks.module(hooks.GRID, *grid, without="") is not None
    assert hooks.module(hooks.APPS["flwr-clientapp"], hooks.LOAD, without="") is not None
