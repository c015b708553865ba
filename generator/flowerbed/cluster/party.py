"""The parties of a plan: for each its release, its namespaces, its cluster and its bundle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import flowerbed
from flowerbed.errors import UsageError
from flowerbed.plan import Plan

COORDINATOR = "coordinator"
VALUES, OWN_VALUES = "values.yaml", "own-values.yaml"
CHARTS = (Path(flowerbed.__file__).parent / "charts").resolve()


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
    def values(self) -> tuple[Path, ...]:
        """Return the files of values in Helm's order: what was generated, then the party's own."""
        own = self.bundle / OWN_VALUES
        return (self.bundle / VALUES, *((own,) if own.exists() else ()))

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
                f"{name!r} is not a party of {plan.name}", remedy=f"a party is one of: {', '.join(known)}"
            )
    return tuple(party for party in every if not names or party.name in names)


def _parties(plan: Plan, bundles: Path) -> Iterator[Party]:
    superlink = plan.superlink
    yield Party(
        name=COORDINATOR,
        chart=CHARTS / "superlink",
        release=superlink.release,
        namespaces=_namespaces(superlink.namespace, task_pods=superlink.executor == "kubernetes"),
        context=superlink.context,
        bundle=bundles / COORDINATOR,
    )
    for tenant in plan.tenants:
        task_pods = tenant.isolation == "process" and tenant.executor == "kubernetes"
        yield Party(
            name=tenant.name,
            chart=CHARTS / "supernode",
            release=tenant.release,
            namespaces=_namespaces(tenant.namespace, task_pods=task_pods),
            context=tenant.context,
            bundle=bundles / "tenants" / tenant.name,
        )


def _namespaces(namespace: str, *, task_pods: bool) -> tuple[str, ...]:
    # Pods of tasks run in a namespace of their own.
    return (namespace, f"{namespace}-tasks") if task_pods else (namespace,)
