"""How a local federation is: its processes, its nodes, its endpoints, and what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from flowerbed.errors import FlowerbedError
from flowerbed.local import execution
from flowerbed.local.differences import warnings
from flowerbed.local.nodes import NodeStatus, read_nodes
from flowerbed.local.run import local_layout
from flowerbed.local.state import Endpoint, Entry, LocalState, ProcessStatus, StateDirectory
from flowerbed.local.supervisor import gateway_ready
from flowerbed.plan import Plan


class Status(Entry, frozen=True):
    """All there is to say: `healthy` when everything runs and every declared node is online."""

    name: str
    state: Literal["stopped", "starting", "online"]
    healthy: bool
    file: str
    flower: str = ""
    admission: str = ""
    insecure: bool = False
    gateway: bool = False
    pid: int = 0
    endpoints: dict[str, Endpoint] = msgspec.field(default_factory=dict)
    parts: tuple[ProcessStatus, ...] = ()
    nodes: tuple[NodeStatus, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def status(plan: Plan, file: Path) -> Status:
    """Return how the plan's local federation is, as far as it answers: what is down is no error."""
    directory = StateDirectory.of(file, plan.name)
    record = directory.running()
    if record is None:
        problem = f"{plan.name} does not run here; `flowerbed up` starts it"
        return Status(name=plan.name, state="stopped", healthy=False, file=str(file), problems=(problem,))
    nodes, problems = _look(plan, directory, record)
    return Status(
        name=record.name,
        state=record.state,
        healthy=record.state == "online" and not problems,
        file=record.file,
        flower=record.flower,
        admission=record.admission,
        insecure=record.insecure,
        gateway=record.gateway,
        pid=record.pid,
        endpoints=record.endpoints,
        parts=record.parts,
        nodes=nodes,
        problems=tuple(problems),
        warnings=(
            *warnings(plan, gateway=record.gateway, superlink=record.ports["superlink"]),
            *execution.sentences(plan, directory),
        ),
    )


def _look(
    plan: Plan, directory: StateDirectory, record: LocalState
) -> tuple[tuple[NodeStatus, ...], list[str]]:
    if not record.runs(plan):
        changed = "the declaration has changed since; `flowerbed down` and `flowerbed up` apply it"
        return (), [changed]
    layout = local_layout(plan, directory, record.ports, gateway=record.gateway)
    problems = [
        f"{process.name} is {process.state} (exit code {process.exit_code}); its log: {process.log}"
        for process in record.parts
        if process.state != "running"
    ]
    try:
        nodes = read_nodes(layout)
    except FlowerbedError as error:
        return (), [*problems, f"the SuperLink does not answer: {error.what}"]
    if layout.gateway and not gateway_ready(layout):
        problems.append("the gateway does not let calls through to the SuperLink")
    problems += [_of_node(node, directory) for node in nodes if node.state != "online"]
    return nodes, problems


def _of_node(node: NodeStatus, directory: StateDirectory) -> str:
    why = f": {node.reason}" if node.reason else f"; its log: {directory.log(node.name)}"
    return f"node {node.name} is {node.state}, not online{why}"
