"""What of a federation in its clusters differs from its bundles, and which of their certificates end soon.

Users, revocations and admitted keys differ after `helm rollback`, after a reinstallation from older bundles,
and until `flowerbed apply` has brought what `flowerbed revoke` or a changed declaration made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import shorten

import msgspec

from flowerbed.bundles import BundleManifest
from flowerbed.cluster.release import Release
from flowerbed.cluster.session import Cluster
from flowerbed.errors import FlowerbedError
from flowerbed.identities import validity
from flowerbed.identities.revocations import read_revocations
from flowerbed.identities.validity import authority_notice
from flowerbed.kubernetes.diagnosis.federation_status import CertificateStatus
from flowerbed.kubernetes.diagnosis.findings import Finding, problem
from flowerbed.kubernetes.network.admission import Lists, compare_lists
from flowerbed.plan import Plan

_LONGEST = 400
DIFFER = "the lists in the cluster differ from the bundles"
UNDONE = "revoked in the bundles, but not in the cluster"
UNKNOWN = "revoked in the cluster, but not in the bundles"
_Differences = Callable[[Lists, Lists], Iterator[str]]


def drift(cluster: Cluster, release: Release | None) -> list[Finding]:
    """Return a problem for each kind of difference; `release` is the coordinator's."""
    if release is None:
        return []
    where = f"{cluster.party.name}: lists"
    try:
        compared = compare_lists(cluster)
    except FlowerbedError as error:
        return [Finding(level="warning", what=f"not compared with the bundles: {error.what}", where=where)]
    if compared.wanted is None:
        return []
    there = next((one for one in compared.there if one.metadata.name == compared.wanted.metadata.name), None)
    if there is None:
        return [problem(f"{DIFFER}: ConfigMap {compared.wanted.metadata.name} is missing", where=where)]
    return [_told(what, where, release) for what in differences(compared.wanted, there)]


def differences(wanted: Lists, there: Lists) -> Iterator[str]:
    """Yield what differs, one text for each kind: what is undone, what only the cluster knows, all else."""
    kinds: dict[str, tuple[_Differences, ...]] = {
        UNDONE: (_undone,),
        UNKNOWN: (lambda wanted, there: _undone(there, wanted),),
        DIFFER: (_of_users, _of_nodes),
    }
    for title, parts in kinds.items():
        if found := "; ".join(text for part in parts for text in part(wanted, there)):
            yield f"{title}: {shorten(found, _LONGEST)}"


def _told(what: str, where: str, release: Release) -> Finding:
    found = problem(what, where=where)
    if not release.rolled_back_to:
        return found
    cause = f"the release was rolled back to revision {release.rolled_back_to}, and its lists with it"
    return msgspec.structs.replace(found, cause=cause)


def _undone(wanted: Lists, there: Lists) -> Iterator[str]:
    times = _pairs(there, "revoked-users")
    for name, time in sorted(_pairs(wanted, "revoked-users").items()):
        if times.get(name, "") < time:
            yield f"user {name}"
    for key in sorted(_lines(wanted, "revoked-keys") - _lines(there, "revoked-keys")):
        yield f"key {key[:16]}"


def _of_users(wanted: Lists, there: Lists) -> Iterator[str]:
    declared, found = _pairs(wanted, "users"), _pairs(there, "users")
    for name in sorted(declared.keys() | found.keys()):
        if name not in found:
            yield f"user {name} is missing"
        elif name not in declared:
            yield f"user {name} is let in as {found[name]}"
        elif found[name] != declared[name]:
            yield f"user {name} is {found[name]} instead of {declared[name]}"


def _of_nodes(wanted: Lists, there: Lists) -> Iterator[str]:
    declared, found = _nodes(wanted), _nodes(there)
    for name in sorted(declared.keys() | found.keys()):
        if name not in found:
            yield f"node {name} is missing"
        elif name not in declared:
            yield f"node {name} is admitted"
        elif found[name] != declared[name]:
            yield f"node {name} is admitted with another key"


def _pairs(lists: Lists, name: str) -> Mapping[str, str]:
    """Return a file's lines of two words as a mapping; comments and other lines are left out."""
    words = (line.split() for line in _lines(lists, name))
    return {found[0]: found[1] for found in words if len(found) == 2}


def _lines(lists: Lists, name: str) -> set[str]:
    lines = lists.data.get(name, "").splitlines()
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def _nodes(lists: Lists) -> Mapping[str, str]:
    try:
        found = json.loads(lists.data.get("nodes.json", "{}"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


CA, GATEWAY, USER = "CA", "gateway", "user "
_REMEDIES = {
    CA: "replace it in three steps, beginning with `flowerbed rotate ca`",
    GATEWAY: "`flowerbed apply` renews it; the gateway reloads, and nobody else has to do anything",
    USER: "`flowerbed apply` renews it; then hand the user's directory of the bundles to the user again",
}


def certificate_statuses(
    manifest: BundleManifest, plan: Plan, bundles: Path
) -> tuple[CertificateStatus, ...]:
    """Return the certificates of the bundles that count: CA, gateway, users who are not revoked."""
    owners = {"ca": CA, "coordinator": GATEWAY}
    owners |= {f"users/{user.name}": f"{USER}{user.name}" for user in plan.users}
    revoked = read_revocations(bundles)
    found = []
    for folder, owner in owners.items():
        party = manifest.parties.get(folder)
        held = party.identity.certificate if party else None
        if held is None:
            continue
        begin = datetime.fromisoformat(held.not_before) if held.not_before else None
        if owner.startswith(USER) and begin and revoked.covers(owner.removeprefix(USER), begin):
            continue
        end = datetime.fromisoformat(held.not_after)
        notice = authority_notice(plan) if owner == CA else timedelta(hours=plan.superlink.tls.renew_hours)
        found.append(
            CertificateStatus(
                owner=owner,
                fingerprint=held.sha256,
                not_after=held.not_after,
                days_left=(end - validity.now()).days,
                ends_soon=end - validity.now() < notice,
            )
        )
    return tuple(found)


def expiry_findings(found: Sequence[CertificateStatus]) -> Iterator[Finding]:
    """Yield what to do about certificates that have ended, or are due for renewal (a CA: for replacement).

    A user's is a warning: the others go on without that user.
    """
    for each in found:
        kind = USER if each.owner.startswith(USER) else each.owner
        if each.days_left < 0:
            what = f"the certificate has expired on {each.not_after[:10]}"
        elif each.ends_soon:
            what = f"the certificate expires in {each.days_left} days, on {each.not_after[:10]}"
        else:
            continue
        remedy = _REMEDIES[kind]
        if each.days_left < 0 and kind != USER:
            yield problem(what, where=each.owner, remedy=remedy)
        else:
            yield Finding(level="warning", what=what, where=each.owner, symptom="expired", remedy=remedy)
