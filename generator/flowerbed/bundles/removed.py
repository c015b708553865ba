"""Parties that are declared no longer: their bundles stay, or go when asked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

from flowerbed.bundles.bundle_writer import BundleWriter
from flowerbed.bundles.manifest import PartyEntry, is_party
from flowerbed.bundles.report import Left
from flowerbed.declaration import grammar
from flowerbed.identities.issued import latest_beginning, read_issued
from flowerbed.identities.revocations import read_revocations
from flowerbed.plan import Plan

# What a user can be called: other folders are not Flowerbed's.
_USER_NAME = re.compile(grammar.DNS_LABEL)


@dataclass(frozen=True, slots=True)
class RemovedParties:
    """What became of them: entries of those that stay, what is left and why, and removed files with keys."""

    parties: dict[str, PartyEntry] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)
    removed_keys: list[str] = field(default_factory=list)


def keep_or_prune(writer: BundleWriter, *, prune: bool) -> RemovedParties:
    """Leave the bundle of each party that this generation did not come by, or remove it with `prune`.

    Only files go that the manifest names, and a folder only when nothing else is in it.
    """
    gone = RemovedParties()
    present = writer.parties
    for party in (
        name for kind in ("tenants", "users") for name in writer.folders(kind) if name not in present
    ):
        last = writer.last(party)
        if not last.files:
            if is_party(party):
                gone.parties[party] = msgspec.structs.replace(last, left=True)
            gone.left.append(Left(party, "flowerbed has no record of it"))
        elif prune:
            _prune(writer, party, gone)
        else:
            gone.parties[party] = msgspec.structs.replace(last, left=True)
            gone.left.append(Left(party, "declared no longer; `--prune` removes it"))
    return gone


def removed_users(writer: BundleWriter, plan: Plan) -> set[str]:
    """Return users who are declared no longer and have a certificate that may count.

    They are known by their folder, by the last manifest, and by the record of certificates: each
    of these may be lost. One whose leaving is recorded is returned again only for a certificate that counts.
    """
    declared = {user.name for user in plan.users}
    recorded = (party for party, _ in writer.recorded("users/"))
    parties = {party for party in (*writer.folders("users"), *recorded) if not writer.last(party).left}
    revoked, issued = read_revocations(writer.folder), read_issued(writer.folder)
    names = {party.removeprefix("users/") for party in parties}
    for name in {each.name for each in issued if each.kind == "user"} - declared - names:
        begin = latest_beginning(writer.folder, name, issued)
        if begin and not revoked.covers(name, begin):
            names.add(name)
    return {name for name in names - declared if _USER_NAME.fullmatch(name)}


def _prune(writer: BundleWriter, party: str, gone: RemovedParties) -> None:
    files = writer.last(party).files
    removed = [name for name in files if writer.remove(name)]
    # The manifest holds no hash of what is secret.
    gone.removed_keys.extend(name for name in removed if not files[name].sha256)
    others = sorted(file.name for file in (writer.folder / party).iterdir())
    if others:
        gone.parties[party] = PartyEntry(left=True)
        gone.left.append(Left(party, f"flowerbed did not write {', '.join(others)}"))
    else:
        (writer.folder / party).rmdir()
