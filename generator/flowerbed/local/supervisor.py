"""Runs a local federation: starts its processes, restarts what ends, and leaves nothing behind.

    SuperLink, gateway, registrar, waiting SuperNodes -> SuperLink answers -> SuperExecs -> nodes online

Every process that ends is started again after a pause, as Kubernetes restarts containers. Until all nodes
have been online once, a SuperLink or gateway that ends, or a process that ends again and again, fails the
start.
"""

from __future__ import annotations

import http.client
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType

import msgspec

from flowerbed.errors import FlowerbedError, LocalError
from flowerbed.local import commands
from flowerbed.local.commands import Command, LocalLayout
from flowerbed.local.execution import sentence, slower
from flowerbed.local.nodes import CALL_TIMEOUT, NodeStatus, names, read_nodes
from flowerbed.local.ports import HOST
from flowerbed.local.process import ManagedProcess, end_processes, tail
from flowerbed.local.state import LocalState
from flowerbed.local.watchdog import Watchdog
from flowerbed.local.watchdog_process import kill_marked, signal_group

Tell = Callable[[str], None]

# Seconds between two looks: at the processes, at the nodes while they come online, and at how apps start.
PROCESS_POLL_INTERVAL = 0.1
NODE_POLL_INTERVAL = 0.4
EXECUTION_POLL_INTERVAL = 1.0
FAILED_STARTS_LIMIT = 3
# What is ended first, and how long it may take in seconds: nodes say goodbye to a SuperLink that listens, and
# the gateway cuts the streams that would keep the SuperLink from ending.
CLIENTS, GATEWAY, SUPERLINK = range(3)
GRACE_PERIODS = {CLIENTS: 5.0, GATEWAY: 2.0, SUPERLINK: 4.0}
# By the signal that ended it; 143 would call a `flowerbed down` a failure.
EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 0, signal.SIGHUP: 129}


@dataclass(slots=True)
class StopRequests:
    """What others ask of this process: signals that came, and a parent that went."""

    parent: int | None
    signals: list[int] = field(default_factory=list)

    def listen(self) -> None:
        """Take note of signals from now on."""
        for number in EXIT_CODES:
            signal.signal(number, self._note)

    def reason(self) -> str:
        """Return why the federation should end, "" if it should not."""
        if self.signals:
            return "interrupted" if self.signals[0] == signal.SIGINT else "asked to end"
        if self.parent is not None and os.getppid() != self.parent:
            return "the process that started it has ended"
        return ""

    def is_hurried(self) -> bool:
        """Return whether somebody has asked twice."""
        return self.signals.count(signal.SIGINT) > 1

    def exit_code(self) -> int:
        """Return the exit code that tells why it ended."""
        return EXIT_CODES[signal.Signals(self.signals[0])] if self.signals else 0

    def _note(self, number: int, _: FrameType | None) -> None:
        self.signals.append(number)


class Supervisor:
    """Starts, watches and ends the processes of one federation; `tell` is given a line for each event."""

    def __init__(
        self,
        layout: LocalLayout,
        state: LocalState,
        environment: Mapping[str, str],
        requests: StopRequests,
        tell: Tell,
    ) -> None:
        self.layout = layout
        self.state = state
        self.environment = environment
        self.requests = requests
        self.tell = tell
        self.begin = time.monotonic()
        self.online: set[str] = set()
        self.slower: set[str] = set()
        self.execution_due = 0.0
        self.superlink_answers = False
        self.processes = _processes(layout)
        self.watchdog = Watchdog(layout.directory.mark)

    def run(self, timeout: float, came_online: Callable[[], None]) -> int:
        """Bring the federation up, keep it up until asked to end, and return the exit code.

        `came_online` is called once. Raises LocalError when not all nodes are online within `timeout`
        seconds, or a process cannot start; whatever ran has been ended then.
        """
        try:
            self._start(late=False)
            if self._bring_online(timeout):
                self._save("online")
                came_online()
                while not self.requests.reason():
                    self._restart_ended()
                    time.sleep(PROCESS_POLL_INTERVAL)
            self.tell(f"{self.layout.plan.name}: {self.requests.reason()}; taking it down")
            return self.requests.exit_code()
        finally:
            self._end()

    def _start(self, *, late: bool) -> None:
        for process in self.processes:
            if process.late == late and not self.requests.reason():
                self.watchdog.add(process.start(self.environment))
        self._save(self.state.state)

    def _bring_online(self, timeout: float) -> bool:
        """Return True once every node is online, False when asked to end before that. Raises LocalError."""
        nodes: tuple[NodeStatus, ...] = ()
        due = 0.0
        while not self.requests.reason():
            self._restart_ended()
            if time.monotonic() >= due:
                nodes = self._observe_nodes()
                due = time.monotonic() + NODE_POLL_INTERVAL
            if self._complete():
                count = len(self.online)
                self._log_progress(f"{self.layout.plan.name} is online with {count} node{'s' * (count != 1)}")
                return True
            if time.monotonic() - self.begin > timeout:
                raise self._timeout_error(nodes, timeout)
            time.sleep(PROCESS_POLL_INTERVAL)
        return False

    def _complete(self) -> bool:
        nodes = len(self.online) == len(self.layout.plan.nodes)
        return self.superlink_answers and nodes and (not self.layout.gateway or gateway_ready(self.layout))

    def _observe_nodes(self) -> tuple[NodeStatus, ...]:
        try:
            nodes = read_nodes(self.layout)
        except FlowerbedError:
            return ()
        if not self.superlink_answers:
            self.superlink_answers = True
            self._log_progress("the SuperLink answers")
            self._start(late=True)
        online = {node.name for node in nodes if node.state == "online"}
        for name in sorted(online - self.online):
            self._log_progress(f"{name} is online")
        self.online = online
        return nodes

    def _restart_ended(self) -> None:
        for process in self.processes:
            group = process.child.pid if process.child else 0
            if process.ended():
                signal_group(group, signal.SIGKILL)  # what the program left behind in its group
                self.watchdog.remove(group)
                self._report(process)
            elif not process.running and process.restarts >= 0 and time.monotonic() >= process.due:
                self.watchdog.add(process.start(self.environment))
                self._save(self.state.state)
        self.watchdog.ensure(process.child.pid for process in self.processes if process.child)
        self._report_execution()

    def _report_execution(self) -> None:
        """Report each reason once for which app processes are not forked."""
        if time.monotonic() < self.execution_due:
            return
        self.execution_due = time.monotonic() + EXECUTION_POLL_INTERVAL
        for reason, apps in slower(self.layout.plan, self.layout.directory).items():
            if reason not in self.slower:
                self.slower.add(reason)
                self.tell(f"note: {sentence(reason, apps)}")

    def _report(self, process: ManagedProcess) -> None:
        self._save(self.state.state)
        what = f"{process.name} ended with {_exit_text(process.exit_code)}"
        last = tail(process.log)
        end_of_log = f"; the end of {process.log}:\n{last}" if last else f"; {process.log} is empty"
        starting = self.state.state == "starting"
        if starting and (process.rank >= GATEWAY or process.restarts + 1 >= FAILED_STARTS_LIMIT):
            raise LocalError(f"{what}{end_of_log}", remedy="everything else has been taken down")
        pause = max(0.0, process.due - time.monotonic())
        self.tell(f"{what}; it starts again in {pause:.0f} s (restart {process.restarts + 1}){end_of_log}")

    def _timeout_error(self, nodes: tuple[NodeStatus, ...], timeout: float) -> LocalError:
        late = [node for node in nodes if node.name not in self.online]
        if not self.superlink_answers:
            last = tail(self.layout.directory.log("superlink"))
            return LocalError(
                f"the SuperLink does not answer after {timeout:.0f} s; the end of its log:\n{last}"
            )
        if not late:
            last = tail(self.layout.directory.log("gateway"))
            return LocalError(f"the gateway is not ready after {timeout:.0f} s; the end of its log:\n{last}")
        reasons = "\n".join(f"    {node.name}: {self._reason(node)}" for node in late)
        what = f"not online after {timeout:.0f} s: {names(late)}\n{reasons}"
        return LocalError(what, remedy=f"their logs are in {self.layout.directory.log('').parent}")

    def _reason(self, node: NodeStatus) -> str:
        last = tail(self.layout.directory.log(node.name), 1).strip()
        return node.reason or f"{node.state}, its log ends with: {last}"

    def _end(self) -> None:
        for rank, grace in GRACE_PERIODS.items():
            ended = end_processes(
                [process for process in self.processes if process.rank == rank],
                grace,
                self.requests.is_hurried,
            )
            for group in ended:
                self.watchdog.remove(group)
        kill_marked(self.layout.directory.mark)
        self.watchdog.close()

    def _save(self, state: str) -> None:
        processes = tuple(process.status() for process in self.processes if process.restarts >= 0)
        self.state = msgspec.structs.replace(self.state, state=state, parts=processes)
        self.layout.directory.write(self.state)

    def _log_progress(self, text: str) -> None:
        self.tell(f"{text} ({time.monotonic() - self.begin:.1f} s)")


def _processes(layout: LocalLayout) -> list[ManagedProcess]:
    def process(command: Command, rank: int = CLIENTS, *, late: bool = False) -> ManagedProcess:
        return ManagedProcess(command, rank, layout.directory.log(command.name), late=late)

    gateway = [process(commands.gateway(layout), GATEWAY)] if layout.gateway else []
    registrar = [] if layout.plan.insecure else [process(commands.registrar(layout))]
    # A SuperExec that finds no SuperLink waits longer than one that is started when there is one.
    nodes, executors = [], [process(commands.superexec(layout), late=True)]
    for tenant in layout.plan.tenants:
        for node in tenant.nodes:
            nodes.append(process(commands.supernode(layout, tenant, node)))
            if tenant.isolation == "process":
                executors.append(process(commands.node_superexec(layout, tenant, node), late=True))
    return [process(commands.superlink(layout), SUPERLINK), *gateway, *registrar, *nodes, *executors]


def gateway_ready(layout: LocalLayout) -> bool:
    """Return whether the SuperLink answers on the path that a submission takes."""
    probe = http.client.HTTPConnection(HOST, layout.ports["readiness"], timeout=CALL_TIMEOUT)
    try:
        probe.request("GET", "/ready")
        return probe.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        probe.close()


def _exit_text(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"
