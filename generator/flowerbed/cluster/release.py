"""Helm's side of a party: the release as it is, and one that a killed Helm left behind."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from flowerbed.cluster.programs import RELEASE_TIMEOUT, Command
from flowerbed.cluster.session import Cluster
from flowerbed.errors import FlowerbedError

# Statuses of a release that Helm works on; a killed Helm leaves it so, and every later one then refuses.
PENDING = frozenset({"pending-install", "pending-upgrade", "pending-rollback", "uninstalling"})
# Without `--wait` Helm is done with a release within seconds; this long another one gets to end.
OTHER_HELM_TIMEOUT = 30.0
POLL_INTERVAL = 1.0
# Helm's own description of such a revision (Helm 3 and 4).
_ROLLBACK = re.compile(r"Rollback to (\d+)")
Run = Callable[[Command], None]


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A release as `helm list` tells of it (Helm 3 and 4); `chart` is name and version in one.

    `rolled_back_to` is the revision that `helm rollback` made this one from, "" where nothing did.
    """

    name: str
    namespace: str
    revision: str
    status: str
    chart: str
    app_version: str
    updated: str
    rolled_back_to: str = ""

    @property
    def age(self) -> float:
        """Return the seconds since Helm touched it last; infinite where the time cannot be read."""
        day, _, rest = self.updated.partition(" ")
        clock = rest.partition(".")[0].partition(" ")[0]
        try:
            then = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC)
        except ValueError:
            return float("inf")
        # Helm writes the zone's offset behind the time: "2026-01-02 03:04:05.6 +0100 CET".
        offset = next((word for word in rest.split() if word[0] in "+-" and word[1:].isdecimal()), "+0000")
        minutes = (int(offset[1:3]) * 60 + int(offset[3:5])) * (-1 if offset[0] == "-" else 1)
        return (datetime.now(UTC) - then).total_seconds() + 60 * minutes


class _Revision(msgspec.Struct):
    revision: int
    status: str
    description: str = ""


def read_release(cluster: Cluster) -> Release | None:
    """Return the party's release, None where there is none. Raises as `Cluster.check_output`."""
    out = cluster.check_output(cluster.commands.list_release())
    found = msgspec.json.decode(out, type=list[Release])
    return found[0] if found else None


def with_rollback(cluster: Cluster, release: Release | None) -> Release | None:
    """Return the release with what `helm rollback` made it from. Raises as `Cluster.check_output`."""
    if release is None or release.revision == "1":
        return release
    last = cluster.commands.release("history", "--max", "1", "--output", "json")
    revisions = msgspec.json.decode(cluster.check_output(last), type=list[_Revision])
    match = _ROLLBACK.fullmatch(revisions[-1].description) if revisions else None
    return msgspec.structs.replace(release, rolled_back_to=match[1]) if match else release


def recover(cluster: Cluster, run: Run, tell: Callable[[str], None]) -> Release | None:
    """Return the release, put right if a Helm that was killed left it hanging.

    Waits OTHER_HELM_TIMEOUT seconds for a Helm that may be at work. Then: back to the last revision that
    was deployed, or, of a first installation, away; claims stay.
    """
    release = settled(cluster, tell)
    if release is None or release.status not in PENDING:
        return release
    good = _last_deployed(cluster)
    if good is None:
        tell(f"release {release.name} was left {release.status} before it was ever deployed: removing it")
        run(cluster.commands.release("uninstall", "--wait"))
    else:
        tell(f"release {release.name} was left {release.status}: returning to revision {good}")
        run(cluster.commands.rollback(good))
    return read_release(cluster)


def settled(cluster: Cluster, tell: Callable[[str], None]) -> Release | None:
    """Return the release once no other Helm works on it, or OTHER_HELM_TIMEOUT seconds after one began.

    Raises as `Cluster.check_output`.
    """
    release = read_release(cluster)
    while release and release.status in PENDING and release.age < OTHER_HELM_TIMEOUT:
        tell(f"release {release.name} is {release.status}; another Helm may be at work, waiting for it")
        time.sleep(POLL_INTERVAL)
        release = read_release(cluster)
    return release


def _last_deployed(cluster: Cluster) -> int | None:
    out = cluster.check_output(cluster.commands.release("history", "--output", "json"))
    revisions = msgspec.json.decode(out, type=list[_Revision])
    good = [entry.revision for entry in revisions if entry.status in {"deployed", "superseded"}]
    return max(good, default=None)


def printing_runner(
    cluster: Cluster,
    tell: Callable[[str], None],
    *,
    verb: str = "apply",
    timeout: float = RELEASE_TIMEOUT,
) -> Run:
    """Return what runs a command, up to `timeout` seconds, after printing it.

    Raises the error that fits its failure; `verb` is what the remedy says to run again.
    """
    from shlex import join

    def run(command: Command) -> None:
        tell(f"$ {join(command)}")
        try:
            cluster.check_output(command, timeout=timeout)
        except FlowerbedError as error:
            if not error.remedy:
                error.remedy = f"put it right and run `flowerbed {verb}` again: it continues from here"
            raise

    return run
