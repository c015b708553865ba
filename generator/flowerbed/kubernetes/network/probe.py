"""The federation's endpoints and nodes, asked directly where they answer, else through a port-forward.

Asked as well: what the programs in the SuperLink's pod, registrar and gateway, say beside its readiness.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from flowerbed import runs
from flowerbed.cluster.objects import Objects
from flowerbed.cluster.programs import error_message
from flowerbed.cluster.session import Cluster
from flowerbed.errors import FlowerbedError, NotAllowedError, UnreachableError, UsageError
from flowerbed.flower.client import FlowerClient
from flowerbed.flower.connection import Connection
from flowerbed.identities.ca_bundle import server_authorities, trusted
from flowerbed.identities.users import usable_users
from flowerbed.kubernetes.diagnosis.cluster_checks import storage
from flowerbed.kubernetes.diagnosis.facts import registrar_troubles
from flowerbed.kubernetes.diagnosis.findings import Finding, problem
from flowerbed.kubernetes.network.endpoints import EndpointStatus, dial
from flowerbed.plan import Endpoint, Plan
from flowerbed.runs.model import NodeRecord

REQUEST_TIMEOUT = 10.0
START_TIMEOUT = 15.0  # of `kubectl port-forward`
_LINE = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)")


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


class ForwardedClient(FlowerClient):
    """A client whose connections go to a loopback port, while TLS asks for the SuperLink's own name."""

    def __init__(self, connection: Connection, port: int, timeout: float = REQUEST_TIMEOUT) -> None:
        super().__init__(connection, timeout)
        self._port = port

    def _open(self) -> http.client.HTTPConnection:
        at, tls = self._renewed.now()
        opened = http.client.HTTPConnection(at.host, at.port, timeout=self.timeout)
        with self._failures():
            stream = socket.create_connection(("127.0.0.1", self._port), timeout=self.timeout)
            # A connection that has its socket already is not opened again.
            opened.sock = tls.wrap_socket(stream, server_hostname=at.host) if tls else stream
        return opened


def connections(plan: Plan, bundles: Path) -> Iterator[Connection]:
    """Yield the connections of users whose certificates count, the one with the least rights first.

    Raises UsageError if there is none, with the reason for each user.
    """
    usable = usable_users(plan, bundles)
    for user in usable.users:
        file = bundles / "users" / user.name / "connection.toml"
        if file.exists():
            yield runs.load_connection(file)
    if plan.insecure:
        yield Connection(address=plan.superlink.control.address, insecure=True)
    elif not usable.users:
        reasons = f" ({usable.reasons})" if usable.others else ""
        what = "no user's certificate in the bundles can be used, so the SuperLink is not asked for its nodes"
        raise UsageError(
            f"{what}{reasons}",
            where=str(bundles / "users"),
            remedy="`flowerbed rotate certificate --user NAME` makes a new one; or declare a user with the"
            " role viewer, then `flowerbed apply`",
        )


def registered_nodes(plan: Plan, bundles: Path, forwarded: int = 0) -> list[NodeRecord]:
    """Return the SuperLink's nodes, asked as the first user whom it does not refuse.

    Raises UnreachableError, NotAllowedError (of the first refusal) or UsageError.
    """
    refused: NotAllowedError | None = None
    for connection in connections(plan, bundles):
        try:
            return nodes_over(connection, forwarded)
        except NotAllowedError as error:
            refused = refused or error
    assert refused is not None  # noqa: S101  (no connection at all raises)
    raise refused


def nodes_over(connection: Connection, forwarded: int = 0) -> list[NodeRecord]:
    """Return the SuperLink's nodes; `forwarded` is a loopback port that leads to it, 0 to dial it itself.

    Raises UnreachableError, NotAllowedError or UsageError.
    """
    if not forwarded:
        return runs.list_nodes(connection, timeout=REQUEST_TIMEOUT)
    with ForwardedClient(connection, forwarded) as client:
        return runs.nodes_of(client)


@contextlib.contextmanager
def port_forward(cluster: Cluster, ports: tuple[int, ...]) -> Iterator[dict[int, int]]:
    """Give loopback ports that lead to `ports` of the SuperLink's pod, by those, until the block ends.

    Raises UnreachableError when the pod is not there, does not run, or may not be reached this way.
    """
    pod = f"pod/{cluster.party.release}-0"
    words = [f":{port}" for port in ports]
    process = subprocess.Popen(
        cluster.commands.in_namespace("port-forward", pod, "--address", "127.0.0.1", *words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(START_TIMEOUT, process.kill)
    watchdog.start()
    try:
        found = _read(process, len(ports), cluster.where)
        watchdog.cancel()
        yield found
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def _read(process: subprocess.Popen[str], count: int, where: str) -> dict[int, int]:
    found: dict[int, int] = {}
    assert process.stdout is not None  # noqa: S101  (it was asked for)
    for line in process.stdout:
        if match := _LINE.match(line):
            found[int(match[2])] = int(match[1])
        if len(found) == count:
            return found
    _, err = process.communicate()
    remedy = "is the pod running, and may you `create pods/portforward` in this namespace?"
    raise UnreachableError(error_message(err) or "kubectl port-forward ended", where=where, remedy=remedy)


# Where the chart's `files/gateway.sh` notes what changed and fails HAProxy's check, as "pending NAME...".
PENDING = "/kept/used/pending"
_WORD = "pending "


def pod_findings(cluster: Cluster, objects: Objects) -> list[Finding]:
    """Return what is wrong in the SuperLink's pod although it may be ready; nothing where there is no pod."""
    pod = f"{cluster.party.release}-0"
    if not any(each.metadata.name == pod for each in objects.pods):
        return []
    # Readiness says nothing of a full volume: what has its room already is still read and written.
    full = [finding for finding in storage(cluster) if finding.level == "problem"]
    return [*list_findings(cluster), *full]


def list_findings(cluster: Cluster) -> list[Finding]:
    """Return what keeps lists and certificates that were applied from taking effect."""
    pod, party = f"{cluster.party.release}-0", cluster.party.name
    log = cluster.in_namespace("logs", pod, "--container", "registrar", "--tail", "200")
    troubles = registrar_troubles(log.out) if log.code == 0 else []
    noted = cluster.in_namespace("exec", pod, "--container", "gateway", "--", "cat", PENDING)
    pending = pending_names(noted.out) if noted.code == 0 else ""
    found = [problem(text, where=f"{party}: registrar") for text in troubles]
    if pending:
        found.append(problem(f"changed, but not in use: {pending}", where=f"{party}: gateway"))
    return found


def pending_names(text: str) -> str:
    """Return the names in the gateway's note of what is not in use, "" if there is none."""
    lines = [line.removeprefix(_WORD) for line in text.splitlines() if line.startswith(_WORD)]
    return ", ".join(name for line in lines for name in line.split())
