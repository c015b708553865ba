"""The coordinator's lists of users, nodes and revocations, brought into its cluster ahead of Helm.

Helm compares a whole release before it changes it, which takes seconds on a busy machine; for so long a node
or a user that was revoked would be served.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable

import msgspec
import yaml

import flowerbed
from flowerbed.kubernetes.parties import Commands
from flowerbed.kubernetes.programs import Programs
from flowerbed.kubernetes.releases import read_release

TEMPLATE = "templates/configmap-admission.yaml"
# Helm's own name as a field manager (Helm 4): so it finds nothing there of somebody else's.
_MANAGER = "--field-manager=helm"


class _Name(msgspec.Struct):
    name: str


class _Lists(msgspec.Struct):
    """The ConfigMap that holds them."""

    metadata: _Name
    data: dict[str, str]


def push_lists(programs: Programs, commands: Commands, tell: Callable[[str], None]) -> None:
    """Make the lists in the cluster those of the bundle, where the release is of this chart and they differ.

    Where that does not work Helm, which comes next, meets the same trouble, and tells it.
    Raises what `Programs.demand` raises when the release cannot be read.
    """
    release = read_release(programs, commands)
    if release is None or release.chart != f"{commands.party.chart.name}-{flowerbed.__version__}":
        return
    render = [*commands.template(), "--show-only", TEMPLATE]
    rendered = programs.run(render)
    if rendered.code:  # an insecure federation has no lists
        return
    wanted = msgspec.convert(yaml.safe_load(rendered.out), _Lists)
    there = programs.run(commands.here("get", "configmap", wanted.metadata.name, "--output", "json"))
    if there.code or msgspec.json.decode(there.out, type=_Lists).data == wanted.data:
        return
    push = commands.here("apply", "--server-side", _MANAGER, "--force-conflicts", "--filename", "-")
    tell(f"$ {shlex.join(render)} | {shlex.join(push)}")
    if programs.run(push, text=rendered.out).code == 0:
        programs.run(commands.refresh(str(int(time.time()))))
