"""`flowerbed diff`: what `apply` would change, in the bundles and in the clusters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from flowerbed.cluster.session import PARALLEL_CLUSTERS, Cluster
from flowerbed.kubernetes.verbs.changes import Change, PartyChanges, changes


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """All differences: files of the bundles that a generation would write or take away, and objects."""

    files: tuple[str, ...] = ()
    parties: tuple[PartyChanges, ...] = ()

    @property
    def empty(self) -> bool:
        """Return whether nothing would change."""
        return not self.files and not any(party.changes for party in self.parties)


def diff(clusters: Sequence[Cluster], files: tuple[str, ...]) -> Difference:
    """Return what applying the parties would change in their clusters, beside the `files` of the bundles.

    Raises UnreachableError, NotAllowedError or FlowerbedError.
    """
    with ThreadPoolExecutor(PARALLEL_CLUSTERS) as pool:
        return Difference(files=files, parties=tuple(pool.map(changes, clusters)))


def lines(found: Difference) -> Iterator[str]:
    """Yield the differences for people."""
    yield from (f"bundle: {name}" for name in found.files)
    for party in found.parties:
        for change in party.changes:
            yield _head(party.party, change)
            yield from (f"    {line}" for line in change.lines)


def _head(party: str, change: Change) -> str:
    space = f" in {change.namespace}" if change.namespace else ""
    note = " (changed behind Helm's back)" if change.action == "repair" and change.lines else ""
    return f"{party}: {change.action} {change.kind} {change.name}{space}{note}"
