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

from flowerbed.kubernetes.parties import Commands
from flowerbed.kubernetes.programs import Programs, failure

TEMPLATE = "templates/configmap-admission.yaml"
CHART = "helm.sh/chart"
# Helm's own name as a field manager (Helm 4): so it finds nothing there of somebody else's.
_MANAGER = "--field-manager=helm"


class _Metadata(msgspec.Struct):
    name: str
    labels: dict[str, str] = {}


class _Lists(msgspec.Struct):
    """The ConfigMap that holds them."""

    metadata: _Metadata
    data: dict[str, str] = {}


class _Found(msgspec.Struct):
    items: list[_Lists]


def push_lists(programs: Programs, commands: Commands, tell: Callable[[str], None]) -> None:
    """Make the lists in the cluster those of the bundle, where they are there of this chart's and differ.

    Where that is refused or does not work Helm, which comes next, meets the same trouble, and tells it.
    Raises UnreachableError where no cluster answers.
    """
    render = [*commands.template(), "--show-only", TEMPLATE]
    # By its labels, not by its name, which only the rendered one tells: so both are asked for at once.
    selector = f"app.kubernetes.io/instance={commands.party.release},app.kubernetes.io/component=admission"
    look = commands.here("get", "configmaps", "--selector", selector, "--output", "json")
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(programs.run, look)
        rendered = programs.run(render)
        there = looking.result()
    if there.code and not there.forbidden:
        raise failure(look, there, commands.party.where)
    if there.code or rendered.code:  # an insecure federation has no lists to render
        return
    wanted = msgspec.convert(yaml.safe_load(rendered.out), _Lists)
    for found in msgspec.json.decode(there.out, type=_Found).items:
        same_chart = found.metadata.labels.get(CHART) == wanted.metadata.labels[CHART]
        if found.metadata.name != wanted.metadata.name or not same_chart or found.data == wanted.data:
            continue
        push = commands.here("apply", "--server-side", _MANAGER, "--force-conflicts", "--filename", "-")
        tell(f"$ {shlex.join(render)} | {shlex.join(push)}")
        if programs.run(push, text=rendered.out).code == 0:
            programs.run(commands.refresh(str(int(time.time()))))
