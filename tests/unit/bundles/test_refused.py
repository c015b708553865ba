"""A generation that is refused by the disk says where, and the next one puts everything right."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from flowerbed.bundles import generate
from flowerbed.errors import FlowerbedError
from support.bundle_files import marks, touched
from support.bundle_interruptions import CHANGED, FRESH, assert_right, in_a_child, private_keys
from support.plans import federation, tenant


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
