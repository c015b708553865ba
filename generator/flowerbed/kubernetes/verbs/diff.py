"""`flowerbed diff`: what `apply` would change, in the bundles and in the clusters.

No data of a Secret is ever shown.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import msgspec
import yaml

from flowerbed.cluster.programs import RELEASE_TIMEOUT
from flowerbed.cluster.release import Release, read_release
from flowerbed.cluster.session import PARALLEL_CLUSTERS, Cluster

Action = Literal["create", "change", "remove", "repair"]
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Key = tuple[str, str, str]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """An object that would be made, changed or removed; `repair`: it was changed behind Helm's back.

    `lines` are those of a unified diff; none for a Secret.
    """

    action: Action
    kind: str
    name: str
    namespace: str
    lines: tuple[str, ...] = ()


class PartyChanges(msgspec.Struct, frozen=True, kw_only=True):
    """All that would change of a party. `release` is Helm's status, "missing" where there is no release."""

    party: str
    release: str
    changes: tuple[Change, ...]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """All differences: files of the bundles that a generation would write or take away, and objects."""

    files: tuple[str, ...] = ()
    parties: tuple[PartyChanges, ...] = ()

    @property
    def empty(self) -> bool:
        """Return whether nothing would change."""
        return not self.files and not any(party.changes for party in self.parties)


class _DryRun(msgspec.Struct):
    manifest: str = ""


def diff_releases(clusters: Sequence[Cluster], files: tuple[str, ...]) -> Difference:
    """Return what applying the parties would change in their clusters, beside the `files` of the bundles.

    Raises UnreachableError, NotAllowedError or FlowerbedError.
    """
    with ThreadPoolExecutor(PARALLEL_CLUSTERS) as pool:
        return Difference(files=files, parties=tuple(pool.map(party_changes, clusters)))


def diff_lines(found: Difference) -> Iterator[str]:
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


def party_changes(cluster: Cluster) -> PartyChanges:
    """Return what applying the party's bundle would change. Raises as `Cluster.check_output`."""
    party = cluster.party
    spaces = tuple(
        Change(action="create", kind="Namespace", name=name, namespace="")
        for name in party.namespaces
        if cluster.lacks_namespace(name)
    )
    if spaces and spaces[0].name == party.namespace:
        rest = (*_secrets(cluster, namespace_exists=False), _new_release(cluster))
        return PartyChanges(party=party.name, release="missing", changes=(*spaces, *rest))
    release = read_release(cluster)
    found = (*spaces, *secret_changes(cluster), *release_changes(cluster, release))
    return PartyChanges(party=party.name, release=release.status if release else "missing", changes=found)


def secret_changes(cluster: Cluster) -> tuple[Change, ...]:
    """Return the Secrets of the bundle that the cluster lacks or holds otherwise."""
    return _secrets(cluster, namespace_exists=True)


def _secrets(cluster: Cluster, *, namespace_exists: bool) -> tuple[Change, ...]:
    file = cluster.party.secrets
    if file is None:
        return ()
    names = _secret_names(file.read_text(encoding="utf-8"))
    if not namespace_exists:
        return tuple(_secret("create", name, cluster) for name in names)
    done = cluster.in_namespace("diff", "--server-side", "--filename", str(file))
    if done.code == 0:
        return ()
    if done.code != 1:
        raise cluster.failure(done)
    # The diff itself stays unread but for the names of the files that it compares.
    differ = [name for name in names if re.search(rf"\.{re.escape(name)}\s", done.out)]
    return tuple(_secret("change", name, cluster) for name in differ or names)


def _secret(action: Action, name: str, cluster: Cluster) -> Change:
    return Change(action=action, kind="Secret", name=name, namespace=cluster.party.namespace)


def _secret_names(text: str) -> list[str]:
    documents = [document for document in yaml.load_all(text, Loader=_Loader) if document]
    return [document["metadata"]["name"] for document in documents]


def _new_release(cluster: Cluster) -> Change:
    return Change(
        action="create", kind="Release", name=cluster.party.release, namespace=cluster.party.namespace
    )


def release_changes(cluster: Cluster, release: Release | None) -> tuple[Change, ...]:
    """Return the objects that an upgrade would change, and those that were changed behind Helm's back."""
    if release is None:
        return (_new_release(cluster),)
    dry_run = cluster.commands.upgrade("--dry-run=server", "--hide-secret", "--output", "json", install=False)
    new_text = msgspec.json.decode(
        cluster.check_output(dry_run, timeout=RELEASE_TIMEOUT), type=_DryRun
    ).manifest
    old_text = cluster.check_output(cluster.commands.release("get manifest"))
    found = tuple(_compare(_objects(old_text, cluster), _objects(new_text, cluster)))
    if not found:
        found = tuple(_drift(cluster, new_text))
    if not found and release.status != "deployed":
        return (Change(action="repair", kind="Release", name=release.name, namespace=release.namespace),)
    return found


def _objects(manifest: str, cluster: Cluster) -> dict[_Key, Any]:
    namespace = cluster.party.namespace
    return {
        (item["kind"], item["metadata"].get("namespace", namespace), item["metadata"]["name"]): item
        for item in yaml.load_all(manifest, Loader=_Loader)
        if item
    }


def _compare(old: dict[_Key, Any], new: dict[_Key, Any]) -> Iterator[Change]:
    for key in sorted(old.keys() | new.keys()):
        kind, namespace, name = key
        if old.get(key) == new.get(key):
            continue
        action: Action = "create" if key not in old else "remove" if key not in new else "change"
        lines = _lines(old[key], new[key]) if action == "change" and kind != "Secret" else ()
        yield Change(action=action, kind=kind, name=name, namespace=namespace, lines=lines)


def _lines(old: Any, new: Any) -> tuple[str, ...]:  # noqa: ANN401  (any YAML)
    before, after = (yaml.safe_dump(item, allow_unicode=True).splitlines() for item in (old, new))
    return tuple(list(difflib.unified_diff(before, after, n=2, lineterm=""))[2:])


def _drift(cluster: Cluster, manifest: str) -> Iterator[Change]:
    """Yield the objects that are not as Helm left them, as far as the manifest names their fields."""
    done = cluster.in_namespace("diff", "--filename", "-", text=manifest, timeout=RELEASE_TIMEOUT)
    if done.code > 1 and not done.out:
        raise cluster.failure(done)
    for section in re.split(r"^diff .*\n", done.out, flags=re.MULTILINE)[1:]:
        lines = section.splitlines()
        # "--- /tmp/LIVE-1/apps.v1.StatefulSet.north.hospitals-north<TAB>time": version, kind, namespace, name
        place = lines[0].split("\t")[0].rpartition("/")[2] if lines else ""
        match = re.match(r"(?:.*\.)?(v\d\w*)\.([A-Z]\w*)\.([^.]*)\.(.*)", place)
        if not match or match[2] == "Secret" or not _matters(lines[2:]):
            continue
        name, namespace = match[4], match[3]
        yield Change(action="repair", kind=match[2], name=name, namespace=namespace, lines=tuple(lines[2:]))


def _matters(lines: list[str]) -> bool:
    """Return whether a diff says more than that the API server counted one generation on."""
    moved = [line for line in lines if line[:1] in {"+", "-"}]
    return any(not re.match(r"[+-] +generation: \d+$", line) for line in moved)
