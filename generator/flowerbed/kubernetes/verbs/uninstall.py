"""`flowerbed uninstall`: removes every party's release, and with `purge` what Helm and `apply` leave behind.

Tenants' releases go first, side by side, then the coordinator's. `helm uninstall --wait` returns while pods
are still terminating, so their end is waited for here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import msgspec

from flowerbed.cluster.objects import COMPONENT, INSTANCE
from flowerbed.cluster.party import Party
from flowerbed.cluster.programs import RELEASE_TIMEOUT, Command
from flowerbed.cluster.release import Run, printing_runner, settled
from flowerbed.cluster.session import PARALLEL_CLUSTERS, Cluster
from flowerbed.errors import FlowerbedError, UnreachableError
from flowerbed.kubernetes.diagnosis.findings import Finding, problem
from flowerbed.kubernetes.verbs.outcome import Tell
from flowerbed.kubernetes.verbs.remaining import POLL_INTERVAL, Kept, Remaining, secrets_of, title

Result = Literal["removed", "not installed", "not gone", "failed"]


class Uninstalled(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome for one party. `removed` names objects as `Kind name`; `seconds` is the time that it took.

    `not gone`: pods were still terminating when the time was up, so nothing more was removed.
    """

    party: str
    release: str
    namespace: str
    context: str
    result: Result
    seconds: float
    removed: tuple[str, ...] = ()
    kept: tuple[Kept, ...] = ()
    findings: tuple[Finding, ...] = ()
    exit_code: int = 0


def uninstall_releases(
    clusters: Sequence[Cluster],
    *,
    purge: bool,
    timeout: float,
    tell: Tell,
    issued: str = "",
) -> list[Uninstalled]:
    """Remove the parties' releases, and wait up to `timeout` seconds per party until its pods have ended.

    `purge` also deletes the SuperLink's claim, the Secrets of the bundles, and each namespace that `apply`
    created and that holds nothing else. `issued` is the Secret that cert-manager writes for the coordinator.
    A release that does not exist is no failure. What fails is in the result, with its exit code; the other
    parties' releases are removed all the same.
    """
    work = _Work(purge, timeout, tell, issued)
    tenants = [cluster for cluster in clusters if not cluster.party.is_coordinator]
    coordinator = [cluster for cluster in clusters if cluster.party.is_coordinator]
    found: dict[str, Uninstalled] = {}
    with ThreadPoolExecutor(PARALLEL_CLUSTERS) as pool:
        try:
            for group in (tenants, coordinator):
                found |= {one.party: one for one in pool.map(work.remove, group)}
            for cluster in (*tenants, *coordinator) if purge else ():
                if (done := found[cluster.party.name]).exit_code == 0:
                    found[cluster.party.name] = work.remove_namespaces(cluster, done)
            return list(pool.map(work.with_kept, clusters, [found[each.party.name] for each in clusters]))
        except BaseException:
            for cluster in clusters:
                cluster.end()
            pool.shutdown(cancel_futures=True)
            raise


def uninstall_commands(
    clusters: Sequence[Cluster], *, purge: bool, timeout: float, issued: str = ""
) -> list[Command]:
    """Return the commands that `uninstall` may run, in their order, without asking any cluster.

    Raises IdentityError if the Secrets of a bundle cannot be read.
    """
    found: list[Command] = []
    namespaces: list[Command] = []  # these go last: parties may share them
    for cluster in sorted(clusters, key=lambda cluster: cluster.party.is_coordinator):
        party, commands = cluster.party, cluster.commands
        found.append(commands.uninstall(timeout))
        state = [f"persistentvolumeclaim/{party.release}-state"] if party.is_coordinator else []
        names = [*state, *(f"secret/{name}" for name in secrets_of(party, issued))]
        if purge and names:
            found.append(commands.delete(party.namespace, names))
        namespaces += [commands.delete_namespace(name) for name in party.namespaces]
    return [*found, *namespaces] if purge else found


class _Work:
    """Removing and waiting, for one call of `uninstall_releases`."""

    def __init__(self, purge: bool, timeout: float, tell: Tell, issued: str) -> None:
        self._purge = purge
        self._timeout = timeout
        self._tell = tell
        self._issued = issued
        # Why a namespace stays, by context and name.
        self._reasons: dict[tuple[str, str], str] = {}

    def remove(self, cluster: Cluster) -> Uninstalled:
        """Remove one party's release, and what belongs to it alone."""
        party = cluster.party
        began = time.monotonic()
        removed: list[str] = []
        unknown = [] if party.bundle.exists() else [_unknown_secrets(party)]

        def end(result: Result, code: int = 0, findings: Sequence[Finding] = ()) -> Uninstalled:
            return Uninstalled(
                party=party.name,
                release=party.release,
                namespace=party.namespace,
                context=party.context,
                result=result,
                seconds=round(time.monotonic() - began, 1),
                removed=tuple(removed),
                findings=(*findings, *unknown),
                exit_code=code,
            )

        run = self._run(cluster)
        try:
            secrets = secrets_of(party, self._issued)
            installed = self._remove_release(cluster, run, began)
            if installed:
                removed.append(f"Release {party.release}")
            remaining = self._remaining(cluster)
            self._remove_pods(remaining, cluster, run)
            if left := self._await_end(remaining, party, began):
                findings = [self._lasting(party, name) for name in left]
                return end("not gone", 5, findings)
            if self._purge:
                removed += self._remove_objects(remaining, cluster, run, secrets)
        except FlowerbedError as error:
            finding = problem(error.what, where=error.where, remedy=error.remedy)
            return end("failed", error.exit_code, [finding])
        self._tell(party.name, "removed" if installed else "nothing to remove" if not removed else "purged")
        return end("removed" if installed else "not installed")

    def _remaining(self, cluster: Cluster) -> Remaining:
        return Remaining(cluster, self._issued)

    def _run(self, cluster: Cluster) -> Run:
        name = cluster.party.name
        return printing_runner(
            cluster,
            lambda text: self._tell(name, text),
            verb="uninstall",
            timeout=self._timeout + RELEASE_TIMEOUT,
        )

    def _remove_release(self, cluster: Cluster, run: Run, began: float) -> bool:
        """Remove the release; return whether it existed."""
        party = cluster.party
        release = settled(cluster, lambda text: self._tell(party.name, text))
        if release is None:
            self._tell(party.name, f"release {party.release} is not installed")
            return False
        try:
            run(cluster.commands.uninstall(self._timeout))
        except UnreachableError:
            # Helm's own words when its time is up are those of a server that does not answer.
            if time.monotonic() - began < self._timeout:
                raise
        return True

    def _remove_pods(self, remaining: Remaining, cluster: Cluster, run: Run) -> None:
        """Delete pods that are not Helm's: those of `helm test`, and those of tasks with their Secrets."""
        party = cluster.party
        instance = f"{INSTANCE}={party.release}"
        tests = remaining.names(party.namespace, "pods", "--selector", f"{instance},{COMPONENT}=test")
        if tests:
            run(cluster.commands.delete(party.namespace, tests))
        for namespace in party.namespaces[1:]:
            if tasks := remaining.names(namespace, "pods,secrets", "--selector", instance):
                run(cluster.commands.delete(namespace, tasks))

    def _await_end(self, remaining: Remaining, party: Party, began: float) -> list[str]:
        """Wait until no pod of the release is left; return the names of those that are when time is up."""
        while True:
            late = time.monotonic() - began > self._timeout
            try:
                left = [
                    name
                    for namespace in party.namespaces
                    for name in remaining.names(
                        namespace, "pods", "--selector", f"{INSTANCE}={party.release}"
                    )
                ]
                if not left or late:
                    return left
                self._tell(party.name, f"waiting for {len(left)} pod{'s' * (len(left) != 1)} to end")
            except UnreachableError as error:
                if late:
                    raise
                self._tell(party.name, f"waiting for {error.what}")
            time.sleep(POLL_INTERVAL)

    def _lasting(self, party: Party, name: str) -> Finding:
        what = f"{name.replace('/', ' ')} has not ended within {self._timeout:.0f} s"
        remedy = "`kubectl describe` on it shows why; then run `flowerbed uninstall` again"
        return Finding(level="problem", what=what, where=party.where, remedy=remedy)

    def _remove_objects(
        self, remaining: Remaining, cluster: Cluster, run: Run, secrets: Sequence[str]
    ) -> list[str]:
        """Delete the SuperLink's claim and the Secrets; return what was deleted."""
        namespace = cluster.party.namespace
        names = [
            *(f"persistentvolumeclaim/{name}" for name, is_state in remaining.claims() if is_state),
            *remaining.existing(secrets),
        ]
        if names:
            run(cluster.commands.delete(namespace, names))
        return [title(name) for name in names]

    def remove_namespaces(self, cluster: Cluster, done: Uninstalled) -> Uninstalled:
        """Delete a party's namespaces, if `apply` created them and nothing is left in them."""
        party = cluster.party
        run, remaining = self._run(cluster), self._remaining(cluster)
        removed = list(done.removed)
        for name in reversed(party.namespaces):
            place = party.context, name
            if place in self._reasons:
                continue
            try:
                reason = remaining.reason_to_keep(name, lambda text: self._tell(party.name, text))
                if reason is None:
                    run(cluster.commands.delete_namespace(name))
                    removed.append(f"Namespace {name}")
                    reason = ""
            except FlowerbedError as error:
                reason = f"it could not be deleted: {error.what}"
            self._reasons[place] = reason
        return msgspec.structs.replace(done, removed=tuple(removed))

    def with_kept(self, cluster: Cluster, done: Uninstalled) -> Uninstalled:
        """Return the outcome with what is left of the party in its cluster, looked up there."""
        party = cluster.party
        if done.result == "failed":
            return done
        try:
            reasons = {name: self._reasons.get((party.context, name), "") for name in party.namespaces}
            kept = tuple(self._remaining(cluster).kept(reasons))
        except FlowerbedError as error:
            what = f"what is left could not be listed: {error.what}"
            finding = Finding(level="warning", what=what, where=error.where, remedy=error.remedy)
            return msgspec.structs.replace(done, findings=(*done.findings, finding))
        return msgspec.structs.replace(done, kept=kept)


def _unknown_secrets(party: Party) -> Finding:
    what = "this machine has no bundle of this party, so Secrets that were made for it are unknown and stay"
    remedy = f"`kubectl get secrets --namespace {party.namespace}` lists what is there"
    return Finding(level="warning", what=what, where=party.where, remedy=remedy)
