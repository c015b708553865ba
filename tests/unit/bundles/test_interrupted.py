"""A generation that is killed or met by another: the next one puts everything right."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from flowerbed.bundles import generate
from flowerbed.errors import IdentityError
from flowerbed.identities import store
from flowerbed.plan import Plan, Role
from support.bundle_files import files
from support.bundle_interruptions import CHANGED, FRESH, assert_right, in_a_child, private_keys
from support.plans import federation, tenant

PROGRAM = """
import sys, msgspec
from pathlib import Path
from flowerbed.bundles import generate
from flowerbed.errors import FlowerbedError
from flowerbed.plan import Plan
plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
print("ready", flush=True)
sys.stdin.readline()
try:
    generate(plan, Path(sys.argv[2]))
except FlowerbedError as error:
    sys.exit(str(error))
"""


def killed_at(step: int, name: str, plan: Plan, folder: Path) -> bool:
    """Generate in a child, killed before its call `step` of Path's `name`; False if it ended first."""
    original = getattr(Path, name)
    calls = iter(range(step))

    def count(*arguments: object, **options: object) -> object:
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)

    def act() -> None:
        setattr(Path, name, count)
        generate(plan, folder)

    status = in_a_child(act)
    assert status in {0, -signal.SIGKILL}
    return status != 0


@pytest.mark.parametrize(
    ("start", "name", "least"),
    [(None, "rename", 20), (None, "unlink", 2), (FRESH, "rename", 15), (FRESH, "unlink", 2)],
    ids=["fresh, rename", "fresh, unlink", "changed, rename", "changed, unlink"],
)
def test_a_kill_at_every_step(start: Plan | None, name: str, least: int, tmp_path: Path) -> None:
    """Killed before any one of its renames or removals, a generation is made whole by the next."""
    plan = CHANGED if start else FRESH
    kills = 0
    for step in range(200):
        folder = tmp_path / str(step)
        if start:
            generate(start, folder)
        if not killed_at(step, name, plan, folder):
            break
        kills += 1
        assert_right(plan, folder, private_keys(folder))
    assert kills >= least


def spawn(plan: Plan, file: Path, folder: Path) -> subprocess.Popen[str]:
    """Start a process that generates once it reads a line."""
    file.write_bytes(msgspec.json.encode(plan))
    command = [sys.executable, "-c", PROGRAM, str(file), str(folder)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_kills_at_random_times(tmp_path: Path) -> None:
    """Killed at any moment, again and again in one folder, a generation loses no key."""
    source = random.Random(8)
    folder, file = tmp_path / "hospitals", tmp_path / "plan.json"
    sizes: list[tuple[int, Role]] = [(20, "submitter"), (30, "viewer"), (25, "operator")]
    plans = [
        federation(*(tenant(f"t{index}", 1 + index % 3) for index in range(number)), role=role)
        for number, role in sizes
    ]
    kills = 0
    for turn in range(10):
        plan = plans[turn % 3]
        process = spawn(plan, file, folder)
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        time.sleep(source.uniform(0, 0.15))
        process.kill()
        process.communicate(timeout=60)
        kills += process.returncode == -signal.SIGKILL
        assert_right(plan, folder, private_keys(folder))
    assert kills > 2


def test_two_at_once_take_turns(tmp_path: Path) -> None:
    """Two generations of different plans at the same time both end well, one after the other."""
    folder = tmp_path / "hospitals"
    processes = [
        spawn(plan, tmp_path / f"{index}.json", folder) for index, plan in enumerate((FRESH, CHANGED) * 2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate(timeout=120)[1] == ""
    assert [process.returncode for process in processes] == [0] * 4
    assert_right(FRESH, folder, {})


def test_a_folder_that_another_keeps_is_refused_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits too long is told why; when the folder is free again, it works."""
    monkeypatch.setattr(store, "LOCK_TIMEOUT", 0.2)
    folder = tmp_path / "hospitals"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(IdentityError, match="another flowerbed process is working in this directory"):
        generate(FRESH, folder)
    assert files(folder) == {".lock"}
    process.communicate("done\n", timeout=60)
    assert_right(FRESH, folder, {})


HOLDER = """
import sys
from pathlib import Path
from flowerbed.identities.store import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""
