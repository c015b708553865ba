"""Parties that are declared no longer: they stay until asked away, and come back with new keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from flowerbed.bundles import Left, generate
from flowerbed.errors import UsageError
from flowerbed.identities.store import Event
from support.bundle_files import admitted, held, marks, touched
from support.plan_variants import change
from support.plans import federation, tenant

PLAN = federation(tenant("north"), tenant("south", 1))
WITHOUT = change(PLAN, tenants=PLAN.tenants[:1])
SOUTH = {f"tenants/south/{name}" for name in ("values.yaml", "INSTALL.md", "secrets.yaml", "ca.crt")}
STAYS = Left("tenants/south", "declared no longer; `--prune` removes it")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the bundles of PLAN."""
    generate(PLAN, tmp_path)
    return tmp_path


def test_a_tenant_that_left_keeps_its_files(folder: Path) -> None:
    """The coordinator admits it no longer; its folder stays, which is said every time."""
    before = marks(folder)
    report = generate(WITHOUT, folder)
    assert touched(before, marks(folder)) == {"coordinator/values.yaml", "plan.json"}
    assert report.left == (STAYS,)
    assert set(admitted(folder)) == {"hospitals-north-0", "hospitals-north-1"}
    assert generate(WITHOUT, folder).left == (STAYS,)


@pytest.mark.parametrize("at_once", [True, False])
def test_pruning_removes_it_and_names_its_keys(at_once: bool, folder: Path) -> None:
    """With `prune` its files go, now or later, and the removed keys are named."""
    if not at_once:
        generate(WITHOUT, folder)
    report = generate(WITHOUT, folder, prune=True)
    assert set(report.removed) == SOUTH
    assert report.removed_keys == ("tenants/south/secrets.yaml",)
    assert not (folder / "tenants/south").exists()
    before = marks(folder)
    assert generate(WITHOUT, folder, prune=True).left == ()
    assert touched(before, marks(folder)) == set()


def test_pruning_leaves_what_others_wrote(folder: Path) -> None:
    """A file that Flowerbed did not write stays, and its folder with it."""
    (folder / "tenants/south/notes.txt").write_text("mine")
    report = generate(WITHOUT, folder, prune=True)
    assert set(report.removed) == SOUTH
    assert report.left == (Left("tenants/south", "flowerbed did not write notes.txt"),)
    assert (folder / "tenants/south/notes.txt").read_text() == "mine"


def test_pruning_leaves_folders_that_it_does_not_know(folder: Path) -> None:
    """A folder that no generation recorded is not Flowerbed's to remove."""
    (folder / "tenants/other").mkdir()
    (folder / "tenants/other/values.yaml").write_text("mine: true\n")
    report = generate(PLAN, folder, prune=True)
    assert report.removed == ()
    assert report.left == (Left("tenants/other", "flowerbed has no record of it"),)
    assert (folder / "tenants/other/values.yaml").exists()


def test_pruning_touches_no_declared_party(folder: Path) -> None:
    """Where everybody is still declared, `prune` does nothing."""
    before = marks(folder)
    assert generate(PLAN, folder, prune=True).removed == ()
    assert touched(before, marks(folder)) == set()


def test_who_returns_gets_new_keys(folder: Path) -> None:
    """A SuperLink takes an unregistered key never again, so the old ones are set aside, not lost."""
    old = held(PLAN, folder)
    secret = (folder / "tenants/south/secrets.yaml").read_text()
    generate(WITHOUT, folder)
    heard: list[Event] = []
    generate(PLAN, folder, tell=heard.append)
    new = held(PLAN, folder)
    assert admitted(folder) == new
    assert {name for name in new if new[name] != old[name]} == {"hospitals-south-0"}
    assert [event.kind for event in heard] == ["retired", "made"]
    body = secret.split("-----")[2].split()
    assert all(line in (folder / "tenants/south/retired-keys.yaml").read_text() for line in body)
    before = marks(folder)
    assert generate(PLAN, folder).left == ()
    assert touched(before, marks(folder)) == set()


def test_retired_keys_go_with_the_rest(folder: Path) -> None:
    """Keys that were set aside are private as well: pruning names them."""
    generate(WITHOUT, folder)
    generate(PLAN, folder)
    report = generate(WITHOUT, folder, prune=True)
    assert set(report.removed_keys) == {"tenants/south/secrets.yaml", "tenants/south/retired-keys.yaml"}


def test_a_user_that_left(folder: Path) -> None:
    """A user's folder stays or goes in the same way, and the list of users follows at once."""
    without = change(PLAN, users=())
    assert generate(without, folder).left == (
        Left("users/analyst", "declared no longer; `--prune` removes it"),
    )
    assert yaml.safe_load((folder / "coordinator/values.yaml").read_text())["users"] == {}
    assert generate(without, folder, prune=True).removed_keys == ("users/analyst/client.key",)
    assert not (folder / "users/analyst").exists()


@pytest.mark.parametrize(
    "name",
    ["tenants/south/../../../victim", "/victim", "victim", "tenants/north/ca.crt", "tenants/south/a/b"],
)
def test_pruning_believes_no_record_that_leads_elsewhere(name: str, tmp_path: Path) -> None:
    """A record that names a file outside of its party's folder is refused; nothing is removed."""
    folder, victim = tmp_path / "bundles", tmp_path / "victim"
    victim.write_text("mine")
    generate(PLAN, folder)
    record = folder / "plan.json"
    document = json.loads(record.read_text())
    document["parties"]["tenants/south"]["texts"]["files"][name] = {"size": 4}
    record.write_text(json.dumps(document))
    before = {path for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match="not a file of a party's own directory"):
        generate(WITHOUT, folder, prune=True)
    assert victim.read_text() == "mine"
    assert {path for path in folder.rglob("*") if path.is_file()} == before
    record.unlink()
    assert generate(WITHOUT, folder).left  # the way out that the message names
