"""The federation's endpoints and nodes, asked directly where they answer, else through a port-forward."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from flowerbed.cluster.session import Cluster
from flowerbed.errors import FlowerbedError, UnreachableError, UsageError
from flowerbed.identities.ca_bundle import server_authorities, trusted
from flowerbed.kubernetes.diagnosis.findings import Finding, problem
from flowerbed.kubernetes.network.endpoints import EndpointStatus, dial
from flowerbed.kubernetes.network.node_list import registered_nodes
from flowerbed.kubernetes.network.port_forward import port_forward
from flowerbed.plan import Endpoint, Plan
from flowerbed.runs.model import NodeRecord


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What the endpoints showed, and the SuperLink's nodes: None where it could not be asked."""

    endpoints: tuple[EndpointStatus, ...] = ()
    nodes: tuple[NodeRecord, ...] | None = None
    findings: tuple[Finding, ...] = ()


def probe_federation(plan: Plan, bundles: Path, coordinator: Cluster | None) -> Answers:
    """Dial both audiences' endpoints and list the nodes; with `coordinator` by a port-forward where needed.

    Without it nothing is asked that needs rights in the coordinator's cluster, nor the nodes.
    """
    authorities = server_authorities(plan, trusted(bundles))
    audiences = {"fleet": plan.superlink.fleet, "control": plan.superlink.control}

    def direct(audience: str) -> EndpointStatus:
        return dial(audience, audiences[audience], authorities, insecure=plan.insecure)

    with ThreadPoolExecutor(2) as pool:
        seen = dict(zip(audiences, pool.map(direct, audiences), strict=True))
    if coordinator is None:
        return Answers(endpoints=tuple(seen.values()))
    findings: list[Finding] = []
    nodes: tuple[NodeRecord, ...] | None = None
    away = {name: audiences[name] for name, found in seen.items() if found.how == "not reached"}
    with contextlib.ExitStack() as stack:
        ports: dict[int, int] = {}
        if away:
            try:
                listen = tuple(sorted({endpoint.listen_port for endpoint in away.values()}))
                ports = stack.enter_context(port_forward(coordinator, listen))
            except UnreachableError as error:
                findings.append(_not_asked(error))
        for name, endpoint in away.items():
            if port := ports.get(endpoint.listen_port):
                findings += _exposed(endpoint, seen[name])
                seen[name] = dial(name, endpoint, authorities, insecure=plan.insecure, forwarded=port)
        control = plan.superlink.control
        if seen["control"].how != "not reached":
            try:
                port = ports.get(control.listen_port, 0) if "control" in away else 0
                nodes = tuple(registered_nodes(plan, bundles, port))
            except UsageError as error:  # nobody here can ask, which says nothing of the federation
                findings.append(Finding(level="warning", what=error.what, remedy=error.remedy))
            except FlowerbedError as error:
                findings.append(problem(error.what, where="SuperLink", remedy=error.remedy))
    return Answers(endpoints=tuple(seen.values()), nodes=nodes, findings=tuple(findings))


def _exposed(endpoint: Endpoint, seen: EndpointStatus) -> list[Finding]:
    if endpoint.type == "cluster":
        return []
    what = f"its address does not answer from here, though it is exposed: {seen.problem}"
    return [Finding(level="warning", what=what, where=f"{seen.audience} endpoint")]


def _not_asked(error: FlowerbedError) -> Finding:
    what = f"the SuperLink cannot be asked from here: {error.what}"
    return Finding(level="warning", what=what, where=error.where, remedy=error.remedy)
