"""What a local federation keeps of revocations, and who submits where nobody is named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flowerbed import identities
from flowerbed.bundles import generate
from flowerbed.errors import LocalError
from flowerbed.flower.programs.kept_revocations import read_kept
from flowerbed.identities.revocations import FILE, add_revocations, revoke_users
from flowerbed.local.commands import LocalLayout, purposes
from flowerbed.local.process_files import write_files
from flowerbed.local.state import StateDirectory
from flowerbed.plan import User
from support.paths import ROOT
from support.plan_variants import change
from support.plans import federation

KEY = "a" * 64
PLAN = change(federation(), users=(User(name="sam", role="submitter"), User(name="olga", role="operator")))


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    generate(PLAN, tmp_path / "bundles")
    return tmp_path / "bundles"


@pytest.fixture
def layout(tmp_path: Path) -> LocalLayout:
    ports = {purpose: 20000 + number for number, purpose in enumerate(purposes(PLAN, gateway=True))}
    return LocalLayout(
        plan=PLAN,
        directory=StateDirectory(tmp_path / "state"),
        ports=ports,
        gateway=True,
        python=Path(sys.executable),
        flower=ROOT / "generator/flowerbed/flower",
        gateway_config=ROOT / "charts/superlink/files/haproxy.cfg",
    )


def start(layout: LocalLayout, bundles: Path) -> None:
    """Write what the parts of a federation read, as each start does."""
    write_files(layout, identities.load(PLAN, bundles))


def default_user(layout: LocalLayout) -> str:
    text = (layout.directory.path / "users/default.toml").read_text()
    return next(user.name for user in PLAN.users if f'"{user.name}/client.crt"' in text)


def test_older_bundles_take_nothing_off_the_kept_list(layout: LocalLayout, bundles: Path) -> None:
    """What was revoked at one start is refused at all later ones, also when revoked.json is an older one."""
    older = (bundles / FILE).read_bytes() if (bundles / FILE).exists() else b"{}"
    start(layout, bundles)
    assert (read_kept(layout.directory.revoked).users, default_user(layout)) == ({}, "sam")
    revoke_users(bundles, ["sam"])
    add_revocations(bundles, keys={KEY: "hospitals-north-0"})
    generate(PLAN, bundles)
    start(layout, bundles)
    assert (list(read_kept(layout.directory.revoked).users), default_user(layout)) == (["sam"], "olga")
    (bundles / FILE).write_bytes(older)
    start(layout, bundles)
    kept = read_kept(layout.directory.revoked)
    assert (list(kept.users), kept.keys) == (["sam"], frozenset({KEY}))


def test_a_damaged_kept_list_ends_the_start(layout: LocalLayout, bundles: Path) -> None:
    """It is named with what to do; without the directory the bundles fill it again."""
    revoke_users(bundles, ["sam"])
    start(layout, bundles)
    (layout.directory.revoked / "users").write_bytes(b"")
    with pytest.raises(LocalError, match="revoked/users does not match its checksum") as refused:
        start(layout, bundles)
    assert "delete the directory" in refused.value.remedy
    for file in layout.directory.revoked.iterdir():
        file.unlink()
    layout.directory.revoked.rmdir()
    start(layout, bundles)
    assert list(read_kept(layout.directory.revoked).users) == ["sam"]
