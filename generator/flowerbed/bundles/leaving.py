"""Parties that are declared no longer: their bundles stay, or go when asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from flowerbed.bundles.record import Party
from flowerbed.bundles.report import Left
from flowerbed.bundles.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Leavers:
    """What became of them: records of those that stay, what is left and why, and removed files with keys."""

    parties: dict[str, Party] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)
    removed_keys: list[str] = field(default_factory=list)


def leave_or_prune(shop: Workshop, *, prune: bool) -> Leavers:
    """Leave the bundle of each party that this generation did not come by, or remove it with `prune`.

    Only files go that Flowerbed's record names, and a folder only when nothing else is in it.
    """
    leavers = Leavers()
    here = shop.parties
    for party in (name for kind in ("tenants", "users") for name in _folders(shop, kind) if name not in here):
        last = shop.last(party)
        if not last.files:
            leavers.left.append(Left(party, "flowerbed has no record of it"))
        elif prune:
            _prune(shop, party, leavers)
        else:
            leavers.parties[party] = msgspec.structs.replace(last, left=True)
            leavers.left.append(Left(party, "declared no longer; `--prune` removes it"))
    return leavers


def _prune(shop: Workshop, party: str, leavers: Leavers) -> None:
    files = shop.last(party).files
    removed = [name for name in files if shop.remove(name)]
    # The record holds no hash of what is secret.
    leavers.removed_keys.extend(name for name in removed if not files[name].sha256)
    others = sorted(file.name for file in (shop.folder / party).iterdir())
    if others:
        leavers.left.append(Left(party, f"flowerbed did not write {', '.join(others)}"))
    else:
        (shop.folder / party).rmdir()


def _folders(shop: Workshop, kind: str) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(shop.folder / kind), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    yield from (f"{kind}/{entry.name}" for entry in entries if entry.is_dir(follow_symlinks=False))
