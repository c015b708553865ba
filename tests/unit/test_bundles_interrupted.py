"""A generation that is killed, refused by the disk or met by another: the next one puts everything right."""

from __future__ import annotations

import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import yaml
from bundle_plans import change
from identity_plans import federation, tenant
from test_bundles_content import files
from test_bundles_incremental import admitted, held, marks, touched

from flowerbed.bundles import generate
from flowerbed.errors import FlowerbedError, IdentityError
from flowerbed.identities import kept
from flowerbed.plan import Plan, User

FRESH = federation(tenant("north"), tenant("south", 1))
# A node more, a tenant more, one that left, a user with another role: all kinds of writing in one generation.
CHANGED = change(
    FRESH,
    tenants=(tenant("north", 3), tenant("west", 1)),
    users=(User(name="analyst", role="viewer"), User(name="lead", role="operator")),
)
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


def private_keys(folder: Path) -> dict[str, str]:
    """Return every private key of a node, in use or set aside, by file and entry."""
    return {
        f"{path.parent.name}/{name}": text
        for pattern in ("secrets.yaml", "retired-keys.yaml")
        for path in (folder / "tenants").rglob(pattern)
        for name, text in yaml.safe_load(path.read_text())["stringData"].items()
    }


def assert_right(plan: Plan, folder: Path, keys_before: dict[str, str]) -> None:
    """Generate once more and check that all is there, matches, and that no key was lost on the way."""
    generate(plan, folder)
    assert admitted(folder) == held(plan, folder)
    strays = [name for name in files(folder) if re.fullmatch(r"\.[^/]+", Path(name).name) and name != ".lock"]
    assert strays == []
    assert set(keys_before.values()) <= set(private_keys(folder).values())
    before = marks(folder)
    generate(plan, folder)
    assert touched(before, marks(folder)) == set()


def in_a_child(act: Callable[[], object]) -> int:
    """Run `act` in a forked child and return its exit status as the shell would say it: -9 for SIGKILL."""
    child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


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
    plans = [
        federation(*(tenant(f"t{index}", 1 + index % 3) for index in range(number)), role=role)
        for number, role in ((20, "submitter"), (30, "viewer"), (25, "operator"))
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
    monkeypatch.setattr(kept, "LOCK_SECONDS", 0.2)
    folder = tmp_path / "hospitals"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(IdentityError, match="another flowerbed is at work in this folder"):
        generate(FRESH, folder)
    assert files(folder) == {".lock"}
    process.communicate("done\n", timeout=60)
    assert_right(FRESH, folder, {})


HOLDER = """
import sys
from pathlib import Path
from flowerbed.identities.kept import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("limit", [100, 700, 2000, 5000])
def test_a_disk_that_takes_no_more(limit: int, tmp_path: Path) -> None:
    """Where files cannot be written to their end, it says which, leaves no part, and can go on later."""
    plan = federation(tenant("north", 20), tenant("south", 1))
    folder = tmp_path / "hospitals"
    told = tmp_path / "told"

    def act() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            generate(plan, folder)
        except FlowerbedError as error:
            told.write_text(str(error)[:limit])
            raise

    assert in_a_child(act) == 1
    assert "cannot be written: File too large" in told.read_text() or limit == 100
    assert str(folder)[:50] in told.read_text()
    assert not [path for path in folder.rglob(".*") if path.name != ".lock"]
    assert not [path for path in folder.rglob("*") if path.is_file() and 0 < path.stat().st_size == limit]
    assert_right(plan, folder, private_keys(folder))


def test_a_full_disk_leaves_the_last_state(tmp_path: Path) -> None:
    """A generation that fails half-way leaves each file either as it was or as it should be."""
    folder = tmp_path / "hospitals"
    generate(FRESH, folder)
    before = marks(folder)
    bigger = federation(tenant("north", 30), tenant("south", 1))

    def act() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))
        generate(bigger, folder)

    assert in_a_child(act) == 1
    assert touched(before, marks(folder)) == set()
    assert_right(bigger, folder, private_keys(folder))


@pytest.mark.parametrize("closed", ["above", "inside"])
def test_a_folder_that_may_not_be_written(closed: str, tmp_path: Path) -> None:
    """Without the right to write, it says where, and changes nothing."""
    folder = tmp_path / "hospitals"
    if closed == "inside":
        generate(FRESH, folder)
    told = tmp_path / "told"
    told.touch(mode=0o666)
    told.chmod(0o666)
    before = marks(tmp_path)

    def act() -> None:
        if os.geteuid() == 0:  # root may write everywhere: be somebody else
            for path in [tmp_path, *tmp_path.rglob("*")]:
                os.chown(path, 65534, 65534)
            for path in tmp_path.parents:
                if path.stat().st_uid == 0 and not path.stat().st_mode & 0o001:
                    path.chmod(path.stat().st_mode | 0o011)
            os.setgid(65534)
            os.setuid(65534)
        closing = [tmp_path] if closed == "above" else [folder, *filter(Path.is_dir, folder.rglob("*"))]
        for path in closing:
            path.chmod(0o500)
        try:
            generate(CHANGED, folder)
        except (FlowerbedError, OSError) as error:
            with told.open("w") as file:
                file.write(str(error))
            raise

    assert in_a_child(act) == 1
    assert "denied" in told.read_text()
    assert str(folder) in told.read_text()
    after = marks(tmp_path)
    assert {name for name in touched(before, after) if name != "told"} == set()


@pytest.mark.parametrize(
    ("place", "thing"),
    [
        *((place, thing) for place in ("", "tenants", "tenants/north") for thing in ("file", "link")),
        *(
            (place, thing)
            for place in ("tenants/north/values.yaml", "plan.json")
            for thing in ("folder", "link")
        ),
    ],
)
def test_something_else_in_the_way(place: str, thing: str, tmp_path: Path) -> None:
    """A file where a folder belongs, or the reverse, is refused by name and not harmed."""
    folder = tmp_path / "hospitals"
    obstacle = folder / place
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    if thing == "file":
        obstacle.write_text("mine")
    elif thing == "folder":
        obstacle.mkdir()
    else:
        obstacle.symlink_to(tmp_path / "nowhere")
    with pytest.raises((FlowerbedError, OSError)) as refusal:
        generate(FRESH, folder)
    assert str(obstacle) in str(refusal.value)
    assert thing != "file" or obstacle.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()
