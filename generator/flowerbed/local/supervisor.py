"""Runs a local federation: starts its parts, restarts what ends, and leaves nothing behind.

    SuperLink, gateway, registrar, waiting SuperNodes -> SuperLink answers -> SuperExecs -> nodes online

Every part that ends is started again after a pause, as Kubernetes restarts containers. Until all nodes have
been online once, a SuperLink or gateway that ends, or a part that ends again and again, fails the start.
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
from flowerbed.local.commands import Command, Site
from flowerbed.local.guard import Guard
from flowerbed.local.guardian import send, sweep
from flowerbed.local.nodes import PATIENCE, NodeStatus, names, read_nodes
from flowerbed.local.part import Part, end, tail
from flowerbed.local.ports import HOST
from flowerbed.local.state import Record, write_record

Tell = Callable[[str], None]

STEP = 0.1  # seconds between two looks at the parts
LOOK = 0.4  # seconds between two looks at the nodes, while they come online
ENDS_TOO_OFTEN = 3
# What is ended first, and how long it may take in seconds: nodes say goodbye to a SuperLink that listens, and
# the gateway cuts the streams that would keep the SuperLink from ending.
CLIENTS, GATEWAY, SUPERLINK = range(3)
GRACE = {CLIENTS: 5.0, GATEWAY: 2.0, SUPERLINK: 4.0}
# By the signal that ended it; 143 would call a `flowerbed down` a failure.
EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 0, signal.SIGHUP: 129}


@dataclass(slots=True)
class Asked:
    """What others ask of this process: signals that came, and a parent that went."""

    parent: int | None
    signals: list[int] = field(default_factory=list)

    def listen(self) -> None:
        """Take note of signals from now on."""
        for number in EXIT_CODES:
            signal.signal(number, self._note)

    def to_stop(self) -> str:
        """Return why the federation should end, "" if it should not."""
        if self.signals:
            return "interrupted" if self.signals[0] == signal.SIGINT else "asked to end"
        if self.parent is not None and os.getppid() != self.parent:
            return "the process that started it is gone"
        return ""

    def to_hurry(self) -> bool:
        """Return whether somebody has asked twice."""
        return self.signals.count(signal.SIGINT) > 1

    def exit_code(self) -> int:
        """Return the exit code that tells why it ended."""
        return EXIT_CODES[signal.Signals(self.signals[0])] if self.signals else 0

    def _note(self, number: int, _: FrameType | None) -> None:
        self.signals.append(number)


class Supervisor:
    """Starts, watches and ends the parts of one federation; `tell` narrates."""

    def __init__(
        self, site: Site, record: Record, environment: Mapping[str, str], asked: Asked, tell: Tell
    ) -> None:
        self.site = site
        self.record = record
        self.environment = environment
        self.asked = asked
        self.tell = tell
        self.begin = time.monotonic()
        self.online: set[str] = set()
        self.answers = False
        self.parts = _parts(site)
        self.guard = Guard(site.state.mark)

    def run(self, timeout: float, came_online: Callable[[], None]) -> int:
        """Bring the federation up, keep it up until asked to end, and return the exit code.

        `came_online` is called once. Raises LocalError when not all nodes are online within `timeout`
        seconds, or a part cannot start; whatever ran has been ended then.
        """
        try:
            self._start(late=False)
            if self._bring_online(timeout):
                self._save("online")
                came_online()
                while not self.asked.to_stop():
                    self._restart_ended()
                    time.sleep(STEP)
            self.tell(f"{self.site.plan.name}: {self.asked.to_stop()}; taking it down")
            return self.asked.exit_code()
        finally:
            self._end()

    def _start(self, *, late: bool) -> None:
        for part in self.parts:
            if part.late == late and not self.asked.to_stop():
                self.guard.add(part.start(self.environment))
        self._save(self.record.state)

    def _bring_online(self, timeout: float) -> bool:
        """Return True once every node is online, False when asked to end before that. Raises LocalError."""
        nodes: tuple[NodeStatus, ...] = ()
        due = 0.0
        while not self.asked.to_stop():
            self._restart_ended()
            if time.monotonic() >= due:
                nodes = self._look()
                due = time.monotonic() + LOOK
            if self._complete():
                count = len(self.online)
                self._say(f"{self.site.plan.name} is online with {count} node{'s' * (count != 1)}")
                return True
            if time.monotonic() - self.begin > timeout:
                raise self._late(nodes, timeout)
            time.sleep(STEP)
        return False

    def _complete(self) -> bool:
        nodes = len(self.online) == len(self.site.plan.nodes)
        return self.answers and nodes and (not self.site.gateway or gateway_ready(self.site))

    def _look(self) -> tuple[NodeStatus, ...]:
        try:
            nodes = read_nodes(self.site)
        except FlowerbedError:
            return ()
        if not self.answers:
            self.answers = True
            self._say("the SuperLink answers")
            self._start(late=True)
        online = {node.name for node in nodes if node.state == "online"}
        for name in sorted(online - self.online):
            self._say(f"{name} is online")
        self.online = online
        return nodes

    def _restart_ended(self) -> None:
        for part in self.parts:
            group = part.process.pid if part.process else 0
            if part.ended():
                send(group, signal.SIGKILL)  # what the program left behind in its group
                self.guard.remove(group)
                self._report(part)
            elif not part.running and part.restarts >= 0 and time.monotonic() >= part.due:
                self.guard.add(part.start(self.environment))
                self._save(self.record.state)
        self.guard.ensure(part.process.pid for part in self.parts if part.process)

    def _report(self, part: Part) -> None:
        self._save(self.record.state)
        what = f"{part.name} ended with {_how(part.exit_code)}"
        last = tail(part.log)
        last_words = f"; the end of {part.log}:\n{last}" if last else f"; {part.log} is empty"
        starting = self.record.state == "starting"
        if starting and (part.rank >= GATEWAY or part.restarts + 1 >= ENDS_TOO_OFTEN):
            raise LocalError(f"{what}{last_words}", remedy="everything else has been taken down")
        pause = max(0.0, part.due - time.monotonic())
        self.tell(f"{what}; it starts again in {pause:.0f} s (restart {part.restarts + 1}){last_words}")

    def _late(self, nodes: tuple[NodeStatus, ...], timeout: float) -> LocalError:
        late = [node for node in nodes if node.name not in self.online]
        if not self.answers:
            last = tail(self.site.state.log("superlink"))
            return LocalError(
                f"the SuperLink does not answer after {timeout:.0f} s; the end of its log:\n{last}"
            )
        if not late:
            last = tail(self.site.state.log("gateway"))
            return LocalError(f"the gateway is not ready after {timeout:.0f} s; the end of its log:\n{last}")
        reasons = "\n".join(f"    {node.name}: {self._why(node)}" for node in late)
        what = f"not online after {timeout:.0f} s: {names(late)}\n{reasons}"
        return LocalError(what, remedy=f"their logs are in {self.site.state.log('').parent}")

    def _why(self, node: NodeStatus) -> str:
        last = tail(self.site.state.log(node.name), 1).strip()
        return node.reason or f"{node.state}, its log ends with: {last}"

    def _end(self) -> None:
        for rank, grace in GRACE.items():
            ended = end([part for part in self.parts if part.rank == rank], grace, self.asked.to_hurry)
            for group in ended:
                self.guard.remove(group)
        sweep(self.site.state.mark)
        self.guard.close()

    def _save(self, state: str) -> None:
        parts = tuple(part.record() for part in self.parts if part.restarts >= 0)
        self.record = msgspec.structs.replace(self.record, state=state, parts=parts)
        write_record(self.site.state, self.record)

    def _say(self, text: str) -> None:
        self.tell(f"{text} ({time.monotonic() - self.begin:.1f} s)")


def _parts(site: Site) -> list[Part]:
    def part(command: Command, rank: int = CLIENTS, *, late: bool = False) -> Part:
        return Part(command, rank, site.state.log(command.name), late=late)

    gateway = [part(commands.gateway(site), GATEWAY)] if site.gateway else []
    registrar = [] if site.plan.insecure else [part(commands.registrar(site))]
    # A SuperExec that finds no SuperLink waits longer than one that is started when there is one.
    nodes, executors = [], [part(commands.superexec(site), late=True)]
    for tenant in site.plan.tenants:
        for node in tenant.nodes:
            nodes.append(part(commands.supernode(site, tenant, node)))
            if tenant.isolation == "process":
                executors.append(part(commands.node_superexec(site, tenant, node), late=True))
    return [part(commands.superlink(site), SUPERLINK), *gateway, *registrar, *nodes, *executors]


def gateway_ready(site: Site) -> bool:
    """Return whether the SuperLink answers on the path that a submission takes."""
    probe = http.client.HTTPConnection(HOST, site.ports["readiness"], timeout=PATIENCE)
    try:
        probe.request("GET", "/ready")
        return probe.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        probe.close()


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"
