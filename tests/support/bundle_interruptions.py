"""What tests of disturbed generations share: two plans, a child to disturb, a look at what is left."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import yaml

from flowerbed.bundles import generate
from flowerbed.plan import Plan, User
from support.bundle_files import admitted, files, held, marks, touched
from support.plan_variants import change
from support.plans import federation, tenant

FRESH = federation(tenant("north"), tenant("south", 1))
# A node more, a tenant more, one that left, a user with another role: all kinds of writing in one generation.
CHANGED = change(
    FRESH,
    tenants=(tenant("north", 3), tenant("west", 1)),
    users=(User(name="analyst", role="viewer"), User(name="lead", role="operator")),
)


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
