"""What is left in the clusters of a party without its release, and what deletes it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from flowerbed.cluster.objects import COMPONENT, INSTANCE, parse_objects
from flowerbed.cluster.party import Party
from flowerbed.cluster.session import FLOWERBED, MANAGED_BY, Cluster
from flowerbed.identities import secret_manifest

POLL_INTERVAL = 1.0
# How long, in seconds, controllers may take to delete what a removed object owned.
GARBAGE_COLLECTION_TIMEOUT = 15.0
_SHOWN = 5
_STATE = "state"
_KINDS = {
    "persistentvolumeclaim": "PersistentVolumeClaim",
    "secret": "Secret",
    "namespace": "Namespace",
    "pod": "Pod",
}
# Kubernetes itself puts these into every namespace.
_BUILT_IN = frozenset({"configmap/kube-root-ca.crt", "serviceaccount/default"})


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An object that stays in the cluster. `what` says what it holds, or why it stays; `command` deletes it.

    `purged`: `flowerbed uninstall --purge` deletes it. `namespace` is "" for a Namespace.
    """

    kind: str
    name: str
    namespace: str
    command: str
    what: str = ""
    purged: bool = False


class Remaining:
    """Asks a party's cluster what is left of it. `issued` is the Secret that cert-manager writes."""

    def __init__(self, cluster: Cluster, issued: str) -> None:
        self._cluster, self._issued = cluster, issued

    def kept(self, reasons: Mapping[str, str]) -> Iterator[Kept]:
        """Yield what is left. `reasons` say why a namespace stays, by name. Raises FlowerbedError."""
        commands, party = self._cluster.commands, self._cluster.party

        def kept(name: str, what: str = "", *, purged: bool = True) -> Kept:
            kind, _, bare = name.partition("/")
            command = shlex.join(commands.delete(party.namespace, [name]))
            return Kept(
                kind=_KINDS[kind],
                name=bare,
                namespace=party.namespace,
                command=command,
                what=what,
                purged=purged,
            )

        for name, is_state in self.claims():
            what = "the SuperLink's runs, nodes, models and revocations" if is_state else ""
            yield kept(f"persistentvolumeclaim/{name}", what, purged=is_state)
        for name in self.existing(secrets_of(party, self._issued)):
            yield kept(name)
        for name in party.namespaces:
            if not self._cluster.lacks_namespace(name):
                yield Kept(
                    kind="Namespace",
                    name=name,
                    namespace="",
                    command=shlex.join(commands.delete_namespace(name)),
                    what=reasons[name],
                )

    def claims(self) -> list[tuple[str, bool]]:
        """Return the claims of a release by name, and whether each is the SuperLink's own."""
        cluster = self._cluster
        words = ("--selector", f"{INSTANCE}={cluster.party.release}", "--output", "json")
        get = cluster.commands.in_namespace("get", "persistentvolumeclaims", *words)
        claims = parse_objects(cluster.check_output(get)).claims
        own = cluster.party.is_coordinator
        metas = [claim.metadata for claim in claims]
        return [(meta.name, own and meta.labels.get(COMPONENT) == _STATE) for meta in metas]

    def existing(self, secrets: Sequence[str]) -> list[str]:
        """Return those of the Secrets that exist, as `secret/name`. Their data is not read."""
        return self.names(self._cluster.party.namespace, "secrets", *secrets) if secrets else []

    def names(self, namespace: str, *words: str) -> list[str]:
        """Return what `kubectl get` finds in a namespace, as `kind/name`."""
        there = ("--namespace", namespace, "--ignore-not-found", "--output", "name")
        command = self._cluster.commands.kubectl("get", *words, *there)
        return self._cluster.check_output(command).split()

    def reason_to_keep(self, name: str, tell: Callable[[str], None]) -> str | None:
        """Return why a namespace has to stay, "" if it does not exist, None if it may be deleted.

        Raises FlowerbedError.
        """
        cluster = self._cluster
        done = cluster.kubectl("get", "namespace", name, "--output", "json")
        if done.missing:
            return ""
        if done.code:
            raise cluster.failure(done)
        labels = msgspec.json.decode(done.out, type=_Labelled).metadata.labels
        if labels.get(MANAGED_BY) != FLOWERBED:
            return "`flowerbed apply` did not create it"
        # Every kind is looked for, as deleting the namespace would delete objects of any of them.
        listing = cluster.commands.kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name")
        kinds = [kind for kind in cluster.check_output(listing).split() if _counts(kind)]
        limit = time.monotonic() + GARBAGE_COLLECTION_TIMEOUT
        while True:
            left = [each for each in self.names(name, ",".join(kinds)) if each not in _BUILT_IN]
            if not left:
                return None
            if time.monotonic() > limit:
                more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
                return f"it also holds {', '.join(left[:_SHOWN])}{more}"
            tell(f"waiting for {left[0]} in namespace {name} to be deleted")
            time.sleep(POLL_INTERVAL)


class _Meta(msgspec.Struct):
    labels: dict[str, str] = {}


class _Labelled(msgspec.Struct):
    metadata: _Meta


def secrets_of(party: Party, issued: str) -> tuple[str, ...]:
    """Return the names of the Secrets made for a party: its bundle's, and for the coordinator `issued`.

    Raises IdentityError if the bundle's file cannot be read.
    """
    file = party.secrets
    bundled = [secret.name for secret in secret_manifest.parse(file.read_bytes(), file)] if file else []
    return (*bundled, *([issued] if issued and party.is_coordinator else []))


def title(name: str) -> str:
    """Return `kind/name` as people write it: `Secret NAME`."""
    kind, _, bare = name.partition("/")
    return f"{_KINDS.get(kind, kind)} {bare}"


def _counts(kind: str) -> bool:
    """Return whether objects of a kind are somebody's: events and measurements are not."""
    return kind.partition(".")[0] != "events" and not kind.endswith(".metrics.k8s.io")
