"""The coordinator's lists of users, nodes and revocations, brought into its cluster ahead of Helm.

Helm compares a whole release before it changes it, which takes seconds on a busy machine; for so long a node
or a user that was revoked would be served.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import yaml

from flowerbed.cluster.programs import Command
from flowerbed.cluster.session import Cluster
from flowerbed.errors import NotAllowedError

TEMPLATE = "templates/configmap-admission.yaml"
CHART = "helm.sh/chart"
# Helm's own name as a field manager (Helm 4): so it finds nothing there of somebody else's.
_MANAGER = "--field-manager=helm"


class _Metadata(msgspec.Struct):
    name: str
    labels: dict[str, str] = {}


class Lists(msgspec.Struct):
    """The ConfigMap that holds them: by file name, as the registrar and the gateway read them."""

    metadata: _Metadata
    data: dict[str, str] = {}


class _Found(msgspec.Struct):
    items: list[Lists]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The lists of the bundles, None where the chart renders none, and those in the cluster.

    `manifest` is the ConfigMap as it was rendered.
    """

    wanted: Lists | None
    there: tuple[Lists, ...]
    manifest: str = ""


def compare_lists(cluster: Cluster) -> Comparison:
    """Return the lists of the coordinator's bundle beside those in its cluster.

    Raises UnreachableError where no cluster answers, NotAllowedError where they may not be read.
    """
    # By its labels, not by its name, which only the rendered one tells: so both are asked for at once.
    selector = f"app.kubernetes.io/instance={cluster.party.release},app.kubernetes.io/component=admission"
    look = ("get", "configmaps", "--selector", selector, "--output", "json")
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(cluster.in_namespace, *look)
        rendered = cluster.run(_render(cluster))
        there = looking.result()
    if there.code:
        raise cluster.failure(there)
    found = tuple(msgspec.json.decode(there.out, type=_Found).items)
    if rendered.code:  # an insecure federation has no lists to render
        return Comparison(wanted=None, there=found)
    wanted = msgspec.convert(yaml.safe_load(rendered.out), Lists)
    return Comparison(wanted=wanted, there=found, manifest=rendered.out)


def push_lists(cluster: Cluster, tell: Callable[[str], None]) -> None:
    """Make the lists in the cluster those of the bundles, where they are there of this chart's and differ.

    Where that is refused or does not work Helm, which comes next, meets the same trouble, and tells it.
    Raises UnreachableError where no cluster answers.
    """
    try:
        compared = compare_lists(cluster)
    except NotAllowedError:
        return
    wanted = compared.wanted
    for found in compared.there if wanted else ():
        assert wanted is not None  # noqa: S101  (there is nothing to go through without)
        same_chart = found.metadata.labels.get(CHART) == wanted.metadata.labels[CHART]
        if found.metadata.name != wanted.metadata.name or not same_chart or found.data == wanted.data:
            continue
        words = ("apply", "--server-side", _MANAGER, "--force-conflicts", "--filename", "-")
        push = cluster.commands.in_namespace(*words)
        tell(f"$ {shlex.join(_render(cluster))} | {shlex.join(push)}")
        if cluster.run(push, text=compared.manifest).code == 0:
            cluster.run(cluster.commands.refresh(str(int(time.time()))))


def _render(cluster: Cluster) -> Command:
    return [*cluster.commands.template(), "--show-only", TEMPLATE]
