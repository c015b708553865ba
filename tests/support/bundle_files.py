"""The files of bundles: which there are, which were written again, and the keys that they admit and hold."""

from __future__ import annotations

from pathlib import Path

import yaml

from flowerbed import identities
from flowerbed.plan import Plan

Marks = dict[str, tuple[int, int, bytes]]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def marks(folder: Path) -> Marks:
    """Return each file's inode, time stamp and bytes: one that was written again differs in one of them."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def touched(before: Marks, after: Marks) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def admitted(folder: Path) -> dict[str, str]:
    values = yaml.safe_load((folder / "coordinator" / "values.yaml").read_text())
    return {name: node["publicKey"] for name, node in values["admission"]["nodes"].items()}


def held(plan: Plan, folder: Path) -> dict[str, str]:
    return {name: key.public.decode() for name, key in identities.load(plan, folder).node_keys.items()}
