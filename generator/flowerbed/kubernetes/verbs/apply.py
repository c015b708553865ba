"""`flowerbed apply`: every party's namespaces, Secrets and release as the declaration says, then ready.

The coordinator's release goes first, then the tenants' side by side; SuperNodes wait for their admission by
themselves, so that nothing has to wait for the SuperLink between the two.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from textwrap import shorten
from typing import Literal

import msgspec

from flowerbed.cluster.objects import Objects, read_objects
from flowerbed.cluster.party import Party
from flowerbed.cluster.release import Run, printing_runner, recover
from flowerbed.cluster.session import PARALLEL_CLUSTERS, Cluster
from flowerbed.errors import FlowerbedError, NotAllowedError, UnreachableError
from flowerbed.kubernetes.diagnosis.facts import gather_facts
from flowerbed.kubernetes.diagnosis.findings import Finding, diagnose, merge, problem
from flowerbed.kubernetes.network.admission import push_lists
from flowerbed.kubernetes.network.endpoints import unreachable
from flowerbed.kubernetes.network.probe import list_findings
from flowerbed.kubernetes.verbs.diff import release_changes, secret_changes
from flowerbed.kubernetes.verbs.outcome import Tell
from flowerbed.plan import Endpoint

Result = Literal["ready", "not ready", "revoked", "failed"]
POLL_INTERVAL = 2.0
# Seconds. Asking why takes more than asking whether, and the pods that start need the machine.
EXPLAIN_INTERVAL = 5.0
# How long a pod that is ready may be unknown to the machines which lead to it.
ENDPOINT_TIMEOUT = 10.0


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a party: what was changed, and whether it is ready now. `seconds` is the whole time.

    `findings` of a party that is ready are lists or certificates that are not in use.

    `revoked`: it was not waited for, since a node of it is never admitted again with the key that it has.
    """

    party: str
    release: str
    namespace: str
    context: str
    changed: tuple[str, ...]
    result: Result
    seconds: float
    findings: tuple[Finding, ...] = ()
    exit_code: int = 0


def apply_releases(
    clusters: Sequence[Cluster],
    *,
    timeout: float,
    tell: Tell,
    exposed: Sequence[Endpoint] = (),
) -> list[Applied]:
    """Bring each party into its cluster, and wait up to `timeout` seconds until all are ready.

    A coordinator whose release was changed is ready once its `exposed` endpoints take connections from here,
    or after a while without: not every machine that applies can reach them.

    What fails is in the result, with its exit code: one party's trouble does not keep the others from theirs,
    but where the coordinator's release fails, no tenant is touched.
    """
    work = _Work(timeout, tell, exposed)
    first = [cluster for cluster in clusters if cluster.party.is_coordinator]
    tenants = [cluster for cluster in clusters if not cluster.party.is_coordinator]
    changed: dict[str, tuple[str, ...]] = {}
    failed: list[Applied] = []
    with ThreadPoolExecutor(PARALLEL_CLUSTERS) as pool:
        try:
            for group in (first, tenants):
                for cluster, outcome in zip(group, pool.map(work.put, group), strict=True):
                    if isinstance(outcome, Applied):
                        failed.append(outcome)
                    else:
                        changed[cluster.party.name] = outcome
                if failed:
                    break
            there = [cluster for cluster in clusters if cluster.party.name in changed]
            ready = list(pool.map(lambda cluster: work.wait(cluster, changed[cluster.party.name]), there))
        except BaseException:
            for cluster in clusters:
                cluster.end()
            pool.shutdown(cancel_futures=True)
            raise
    order = {cluster.party.name: index for index, cluster in enumerate(clusters)}
    return sorted([*failed, *ready], key=lambda applied: order[applied.party])


def await_ready(cluster: Cluster, *, timeout: float, tell: Tell) -> Applied:
    """Wait up to `timeout` seconds until a party that something else changed is ready, as `apply` does."""
    return _Work(timeout, tell, ()).wait(cluster, ())


class _Work:
    """Installing and waiting, for one call of `apply_releases`."""

    def __init__(self, timeout: float, tell: Tell, exposed: Sequence[Endpoint]) -> None:
        self._exposed = exposed
        self._tell = tell
        self._began = time.monotonic()
        self._timeout = timeout

    def put(self, cluster: Cluster) -> tuple[str, ...] | Applied:
        """Install or upgrade a party; return what was changed, or how it failed."""
        party = cluster.party
        try:
            return put(cluster, lambda text: self._tell(party.name, text))
        except FlowerbedError as error:
            finding = problem(error.what, where=error.where, remedy=error.remedy)
            return self._end(party, (), "failed", [finding], error.exit_code)

    def wait(self, cluster: Cluster, changed: tuple[str, ...]) -> Applied:
        """Wait until all of a party's workloads are ready, and tell what each wait is for."""
        party = cluster.party
        if party.revoked:
            self._tell(party.name, "not waited for: it has a node whose key was revoked")
            return self._end(party, changed, "revoked", [], 0)
        findings: list[Finding] = []
        explained = float("-inf")
        while True:
            now = time.monotonic()
            late = now - self._began > self._timeout
            explain = late or now - explained > EXPLAIN_INTERVAL
            try:
                objects = read_objects(cluster, events=explain)
                if objects.ready:
                    if party.is_coordinator and changed:
                        self._await_endpoints(party)
                    self._tell(party.name, f"ready: {_count(objects)}")
                    held = list_findings(cluster) if party.is_coordinator else []
                    return self._end(party, changed, "ready", held, 0)
                if explain:
                    findings = self._explain(objects, cluster)
                    explained = time.monotonic()
            except FlowerbedError as error:
                findings = [problem(error.what, where=error.where, remedy=error.remedy)]
                if late or not isinstance(error, UnreachableError):
                    return self._end(party, changed, "failed", findings, error.exit_code)
                self._tell(party.name, f"waiting for {error.what}")
            if late:
                return self._end(party, changed, "not ready", findings, 5)
            time.sleep(POLL_INTERVAL)

    def _await_endpoints(self, party: Party) -> None:
        for endpoint in unreachable(self._exposed, ENDPOINT_TIMEOUT):
            what = f"{endpoint.address} takes no connection from here; `flowerbed doctor` looks into it"
            self._tell(party.name, what)

    def _explain(self, objects: Objects, cluster: Cluster) -> list[Finding]:
        findings = merge(diagnose(fact) for fact in gather_facts(objects, cluster))
        worst = sorted(findings, key=lambda finding: finding.level != "problem")
        waits = [shorten(f"{finding.where}: {finding.what}", 160) for finding in worst[:2]]
        self._tell(cluster.party.name, f"waiting for {'; '.join(waits) or 'its pods'}")
        return worst

    def _end(
        self, party: Party, changed: tuple[str, ...], result: Result, findings: list[Finding], code: int
    ) -> Applied:
        return Applied(
            party=party.name,
            release=party.release,
            namespace=party.namespace,
            context=party.context,
            changed=changed,
            result=result,
            seconds=round(time.monotonic() - self._began, 1),
            findings=tuple(findings),
            exit_code=code,
        )


def put(cluster: Cluster, tell: Callable[[str], None]) -> tuple[str, ...]:
    """Bring a party's namespaces, Secrets and release in line; return what was changed, nothing if all was.

    Raises UnreachableError, NotAllowedError, or FlowerbedError with the error message of Helm or kubectl.
    """
    party = cluster.party
    run = printing_runner(cluster, tell)
    changed = []
    if party.is_coordinator:
        push_lists(cluster, tell)
    for name in party.namespaces:
        if cluster.lacks_namespace(name):
            try:
                run(cluster.commands.create_namespace(name))
            except NotAllowedError as error:
                remedy = f"let an admin of the cluster create the namespace {name}, with rights for you in it"
                raise NotAllowedError(error.what, where=error.where, remedy=remedy) from None
            run(cluster.commands.label_namespace(name))
            changed.append(f"Namespace {name}")
    secrets = secret_changes(cluster)
    if party.secrets and secrets:
        run(cluster.commands.apply_secrets(party.secrets))
        changed += [f"Secret {change.name}" for change in secrets]
    release = recover(cluster, run, tell)
    if found := release_changes(cluster, release):
        _upgrade(cluster, run, tell)
        changed += [f"{change.kind} {change.name}" for change in found]
    if not changed:
        tell("nothing to change")
    elif party.is_coordinator:
        # Else a revoked key is served for up to a minute more. Where this is refused, that is how it is.
        cluster.run(cluster.commands.refresh(str(int(time.time()))))
    return tuple(changed)


def _upgrade(cluster: Cluster, run: Run, tell: Callable[[str], None]) -> None:
    """Install or upgrade, and take back what others changed by hand: the declaration counts.

    Helm 3 overwrites that by itself; to Helm 4, which applies on the server, it is a conflict.
    """
    try:
        run(cluster.commands.upgrade())
    except FlowerbedError as error:
        if "conflict with" not in error.what:
            raise
        tell("somebody changed it by hand: taking that back")
        run(cluster.commands.upgrade("--force-conflicts"))


def apply_commands(clusters: Sequence[Cluster]) -> list[list[str]]:
    """Return the commands that `apply` may run, in their order, without asking any cluster."""
    found = []
    for cluster in clusters:
        party, commands = cluster.party, cluster.commands
        for name in party.namespaces:
            found += [commands.create_namespace(name), commands.label_namespace(name)]
        if party.secrets:
            found.append(commands.apply_secrets(party.secrets))
        found.append(commands.upgrade())
    return found


def _count(objects: Objects) -> str:
    pods = len(objects.pods)
    return f"{pods} pod{'s' * (pods != 1)}"
