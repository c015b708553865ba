"""The plan's releases, one a party: where each goes, and every command about it.

The commands are those of the party's INSTALL.md, so that what is printed can be copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import flowerbed
from flowerbed.errors import UsageError
from flowerbed.kubernetes.programs import Command, Programs
from flowerbed.plan import Plan

COORDINATOR = "coordinator"
CHARTS = (Path(flowerbed.__file__).parent / "charts").resolve()
# Pods of the charts pass `restricted`; so do the pods of tasks.
POD_SECURITY = (
    "pod-security.kubernetes.io/enforce=restricted",
    "pod-security.kubernetes.io/warn=restricted",
)
# Marks a namespace that `apply` created: `uninstall --purge` deletes no other.
MANAGED_BY, FLOWERBED = "app.kubernetes.io/managed-by", "flowerbed"


@dataclass(frozen=True, slots=True)
class Party:
    """One party's release: its chart, its namespaces (the release's first), and the folder of its bundle.

    `context` is a kubeconfig context, "" for the current one. `revoked` are nodes that cannot get ready.
    `settings` are values of this one call, as Helm's `--set` reads them.
    """

    name: str
    chart: Path
    release: str
    namespaces: tuple[str, ...]
    context: str
    bundle: Path
    revoked: frozenset[str] = frozenset()
    settings: tuple[str, ...] = ()

    @property
    def namespace(self) -> str:
        """Return the namespace of the release."""
        return self.namespaces[0]

    @property
    def is_coordinator(self) -> bool:
        """Return whether this is the SuperLink's release."""
        return self.name == COORDINATOR

    @property
    def where(self) -> str:
        """Return party and cluster, for messages."""
        return (
            f"{self.name} (namespace {self.namespace}{f', context {self.context}' if self.context else ''})"
        )

    @property
    def secrets(self) -> Path | None:
        """Return the file of the party's Secrets, None where it has none."""
        file = self.bundle / "secrets.yaml"
        return file if file.exists() else None


def parties(plan: Plan, bundles: Path, names: Sequence[str] = ()) -> tuple[Party, ...]:
    """Return the parties of those names, all by default; the coordinator first. Raises UsageError."""
    every = tuple(_parties(plan, bundles))
    known = [party.name for party in every]
    for name in names:
        if name not in known:
            raise UsageError(
                f"{name!r} is no party of {plan.name}", remedy=f"a party is one of: {', '.join(known)}"
            )
    return tuple(party for party in every if not names or party.name in names)


def _parties(plan: Plan, bundles: Path) -> Iterator[Party]:
    superlink = plan.superlink
    yield Party(
        name=COORDINATOR,
        chart=CHARTS / "superlink",
        release=superlink.release,
        namespaces=_namespaces(superlink.namespace, apart=superlink.executor == "kubernetes"),
        context=superlink.context,
        bundle=bundles / COORDINATOR,
    )
    for tenant in plan.tenants:
        apart = tenant.isolation == "process" and tenant.executor == "kubernetes"
        yield Party(
            name=tenant.name,
            chart=CHARTS / "supernode",
            release=tenant.release,
            namespaces=_namespaces(tenant.namespace, apart=apart),
            context=tenant.context,
            bundle=bundles / "tenants" / tenant.name,
        )


def _namespaces(namespace: str, *, apart: bool) -> tuple[str, ...]:
    return (namespace, f"{namespace}-tasks") if apart else (namespace,)


class Commands:
    """The commands about one party."""

    def __init__(self, programs: Programs, party: Party) -> None:
        self.party = party
        self._helm = [programs.helm, *(["--kube-context", party.context] if party.context else [])]
        self._kubectl = [programs.kubectl, *(["--context", party.context] if party.context else [])]
        self._there = ["--namespace", party.namespace]

    def kubectl(self, *words: str) -> Command:
        """Return a kubectl command in the party's cluster."""
        return [*self._kubectl, *words]

    def here(self, *words: str) -> Command:
        """Return a kubectl command in the party's namespace."""
        options = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
        return [*self._kubectl, *words[:options], *self._there, *words[options:]]

    def create_namespace(self, name: str) -> Command:
        """Create a namespace."""
        return self.kubectl("create", "namespace", name)

    def label_namespace(self, name: str) -> Command:
        """Have Pod Security `restricted` enforced in a namespace, and mark it as created by Flowerbed."""
        return self.kubectl("label", "namespace", name, *POD_SECURITY, f"{MANAGED_BY}={FLOWERBED}")

    def apply_secrets(self, file: Path) -> Command:
        """Apply the party's Secrets on the server's side: no copy of them in an annotation."""
        return self.kubectl("apply", "--server-side", *self._there, "--filename", str(file))

    def refresh(self, moment: str) -> Command:
        """Have the kubelet carry changed lists and certificates into the SuperLink's pod at once.

        It looks at a pod's volumes whenever an annotation of the pod changes (Kubernetes, Tasks: configure a
        pod to use a ConfigMap). Nothing restarts.
        """
        selector = f"app.kubernetes.io/instance={self.party.release},app.kubernetes.io/component=superlink"
        words = ("annotate", "pods", "--selector", selector, "--overwrite", f"flowerbed/refreshed={moment}")
        return self.here(*words)

    def upgrade(self, *more: str, install: bool = True) -> Command:
        """Install or upgrade the release."""
        release = [*(["--install"] if install else []), *self._release()]
        return [*self._helm, "upgrade", *release, *more]

    def template(self) -> Command:
        """Print what Helm would install."""
        return [*self._helm, "template", *self._release()]

    def release(self, verb: str, *more: str) -> Command:
        """Return a Helm command about the release, such as `status`."""
        words = verb.split()
        return [*self._helm, *words, self.party.release, *self._there, *more]

    def rollback(self, revision: int) -> Command:
        """Return to a revision."""
        return [*self._helm, "rollback", self.party.release, str(revision), *self._there]

    def uninstall(self, timeout: float) -> Command:
        """Remove the release, and wait up to `timeout` seconds for what Helm waits for."""
        return self.release("uninstall", "--ignore-not-found", "--wait", "--timeout", f"{timeout:.0f}s")

    def list_release(self) -> Command:
        """List the release in whatever state it is: Helm 3 and 4 have these flags in common."""
        states = ("--deployed", "--failed", "--pending", "--uninstalling")
        pattern = f"^{self.party.release}$"
        return [*self._helm, "list", *self._there, *states, "--filter", pattern, "--output", "json"]

    def _release(self) -> Command:
        party = self.party
        return [
            party.release,
            str(party.chart),
            *self._there,
            "--values",
            str(party.bundle / "values.yaml"),
            *(word for setting in party.settings for word in ("--set", setting)),
        ]
