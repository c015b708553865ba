"""Which parties of a declared federation a verb is about, and what their bundles would become."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from flowerbed.bundles import generate
from flowerbed.cli.common import declaration_file
from flowerbed.cluster.party import Party, parties
from flowerbed.declaration import load_plan
from flowerbed.plan import Plan
from flowerbed.project import Project

PartyOption = Annotated[
    list[str] | None,
    typer.Option("--party", metavar="NAME", help="Only this party: coordinator, or a tenant. Repeatable."),
]


def selected(
    file: Path | None, option: Path | None, names: Sequence[str] | None
) -> tuple[Path, Plan, tuple[Party, ...]]:
    """Return the declaration, its plan, and the parties of those names."""
    path = declaration_file(file, option)
    plan = load_plan(path)
    return path, plan, parties(plan, Project(path).bundles(plan.name), names or ())


@contextlib.contextmanager
def generated_aside(
    path: Path, plan: Plan, names: Sequence[str]
) -> Iterator[tuple[tuple[Party, ...], tuple[str, ...]]]:
    """Generate into a private copy of the bundles; give its parties, and the files that would change."""
    bundles = Project(path).bundles(plan.name)
    with tempfile.TemporaryDirectory(prefix="flowerbed-") as folder:  # 0700: it holds keys for a moment
        copy = Path(folder) / plan.name
        if bundles.exists():
            shutil.copytree(bundles, copy, symlinks=True)
        report = generate(plan, copy)
        files = (*report.created, *report.updated, *report.removed)
        changed = tuple(sorted(name for name in files if name != "plan.json"))
        yield parties(plan, copy, names), changed
