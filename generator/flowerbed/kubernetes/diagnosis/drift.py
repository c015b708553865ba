"""Whether users, revocations and admitted keys in the coordinator's cluster are those of the bundles.

They differ after `helm rollback`, after a reinstallation from older bundles, and until `flowerbed apply` has
brought what `flowerbed revoke` or a changed declaration made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from textwrap import shorten

import msgspec

from flowerbed.cluster.release import Release
from flowerbed.cluster.session import Cluster
from flowerbed.errors import FlowerbedError
from flowerbed.kubernetes.diagnosis.findings import Finding, problem
from flowerbed.kubernetes.network.admission import Lists, compare_lists

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
