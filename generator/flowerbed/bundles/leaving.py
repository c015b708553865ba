"""Parties that are declared no longer: their bundles stay, or go when asked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

from flowerbed.bundles.record import Party, is_party
from flowerbed.bundles.report import Left
from flowerbed.bundles.workshop import Workshop
from flowerbed.declaration import grammar
from flowerbed.identities.issued import latest_beginning, read_issued
from flowerbed.identities.revocations import read_revocations
from flowerbed.plan import Plan

# What a user can be called: other folders are not Flowerbed's.
_USER_NAME = re.compile(grammar.DNS_LABEL)


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
    for party in (name for kind in ("tenants", "users") for name in shop.folders(kind) if name not in here):
        last = shop.last(party)
        if not last.files:
            if is_party(party):
                leavers.parties[party] = msgspec.structs.replace(last, left=True)
            leavers.left.append(Left(party, "flowerbed has no record of it"))
        elif prune:
            _prune(shop, party, leavers)
        else:
            leavers.parties[party] = msgspec.structs.replace(last, left=True)
            leavers.left.append(Left(party, "declared no longer; `--prune` removes it"))
    return leavers


def users_who_left(shop: Workshop, plan: Plan) -> set[str]:
    """Return users who are declared no longer and have a certificate that may count.

    They are known by their folder, by the last generation's record, and by the record of certificates: each
    of these may be lost. One whose leaving is recorded is returned again only for a certificate that counts.
    """
    declared = {user.name for user in plan.users}
    recorded = (party for party, _ in shop.recorded("users/"))
    parties = {party for party in (*shop.folders("users"), *recorded) if not shop.last(party).left}
    revoked, issued = read_revocations(shop.folder), read_issued(shop.folder)
    names = {party.removeprefix("users/") for party in parties}
    for name in {each.name for each in issued if each.kind == "user"} - declared - names:
        begin = latest_beginning(shop.folder, name, issued)
        if begin and not revoked.covers(name, begin):
            names.add(name)
    return {name for name in names - declared if _USER_NAME.fullmatch(name)}


def _prune(shop: Workshop, party: str, leavers: Leavers) -> None:
    files = shop.last(party).files
    removed = [name for name in files if shop.remove(name)]
    # The record holds no hash of what is secret.
    leavers.removed_keys.extend(name for name in removed if not files[name].sha256)
    others = sorted(file.name for file in (shop.folder / party).iterdir())
    if others:
        leavers.parties[party] = Party(left=True)
        leavers.left.append(Left(party, f"flowerbed did not write {', '.join(others)}"))
    else:
        (shop.folder / party).rmdir()
