"""Prepares a local federation and runs it, in this process: `python -m flowerbed.local.run`.

The state directory is claimed first, so that of two starts at once one wins. Then: what a supervisor that
died left is ended, ports are reserved, identities made or loaded, files written, and only then does anything
start.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

import flowerbed
from flowerbed.errors import FlowerbedError, LocalError
from flowerbed.files import PRIVATE_MODE, make_private_folder, write_atomic
from flowerbed.flower.proxy import no_proxy
from flowerbed.flower.text import write
from flowerbed.local.commands import LocalLayout, base_environment, purposes
from flowerbed.local.differences import notes, warnings
from flowerbed.local.ports import Reservation, reserve
from flowerbed.local.state import Endpoint, LocalState, StateDirectory, plan_digest, process_started
from flowerbed.local.supervisor import StopRequests, Supervisor
from flowerbed.local.watchdog_process import kill_marked
from flowerbed.plan import Component, Plan
from flowerbed.project import Project

BUSY = 75  # sysexits.h: EX_TEMPFAIL, somebody else is starting it
TIMEOUT = 120.0
AUDIENCES = ("fleet", "control", "runtime")
# More than once: who asks whether the directory is claimed holds it for an instant.
CLAIM_ATTEMPTS, CLAIM_INTERVAL = 5, 0.05


@dataclass(frozen=True, slots=True)
class Options:
    """How to run: `timeout` is in seconds.

    `detached` outlives the parent; `alone` is a process of its own, which lets go of standard error once the
    federation is online.
    """

    gateway: bool = True
    timeout: float = TIMEOUT
    detached: bool = False
    alone: bool = False


class BusyError(LocalError):
    """Another supervisor has the state directory."""


class ProgressLog:
    """Writes to a log file, and to standard error for as long as somebody may read there."""

    def __init__(self, log: Path) -> None:
        self._log: TextIO = log.open("a", encoding="utf-8")
        self._has_reader = True

    def tell(self, text: str) -> None:
        """Write a line."""
        self._log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")
        self._log.flush()
        if self._has_reader:
            try:
                write(sys.stderr, f"{text}\n")
            except OSError:
                self._has_reader = False

    def leave(self) -> None:
        """Let go of standard error: whoever waits at its other end sees the end of file."""
        self._has_reader = False
        os.dup2(self._log.fileno(), 2)


def supervise(plan: Plan, file: Path, options: Options, came_online: Callable[[], None]) -> int:
    """Run the federation until it is asked to end; return the exit code.

    `came_online` is called once, when all nodes are online.
    Raises BusyError when another supervisor has the directory, and other FlowerbedErrors when it cannot come
    up.
    """
    # First of all, so that no signal can come between the start of a process and the means to end it.
    requests = StopRequests(None if options.detached else os.getppid())
    requests.listen()
    directory = StateDirectory.of(file, plan.name)
    make_private_folder(directory.path)
    lock = _claim(directory)
    if lock is None:
        raise BusyError("another `flowerbed up` is at work here", where=str(directory.path))
    try:
        return _Start(plan, file, directory).run(options, requests, came_online)
    except FlowerbedError as error:
        write_atomic(directory.failure_file, f"{error}\n".encode(), PRIVATE_MODE)
        raise
    finally:
        directory.state_file.unlink(missing_ok=True)
        os.close(lock)


def _claim(directory: StateDirectory) -> int | None:
    for _ in range(CLAIM_ATTEMPTS):
        if (lock := directory.claim()) is not None:
            return lock
        time.sleep(CLAIM_INTERVAL)
    return None


class _Start:
    """One start, in a state directory that is claimed: everything that comes before the first process."""

    def __init__(self, plan: Plan, file: Path, directory: StateDirectory) -> None:
        self._plan = plan
        self._file = file
        self._directory = directory
        directory.failure_file.unlink(missing_ok=True)
        directory.rotate_logs()
        self._log = ProgressLog(directory.log("supervisor"))

    def run(self, options: Options, requests: StopRequests, came_online: Callable[[], None]) -> int:
        """Prepare all that processes need, and supervise them; return the exit code."""
        self._end_leftovers()
        gateway = options.gateway and has_gateway(os.environ)
        environments = self._environments()
        reservation = self._reserve(gateway=gateway)  # it holds the ports for as long as it is referred to
        layout = local_layout(self._plan, self._directory, reservation.ports, environments, gateway=gateway)
        others = warnings(self._plan, gateway=gateway, superlink=layout.ports["superlink"])
        for note in [*notes(self._plan, gateway=gateway), *others]:
            self._log.tell(f"note: {note}")
        self._write_files(layout)
        environment = base_environment(os.environ, layout.python)
        supervisor = Supervisor(layout, self._state(layout), environment, requests, self._log.tell)
        return supervisor.run(options.timeout, self._log.leave if options.alone else came_online)

    def _end_leftovers(self) -> None:
        """End what a supervisor left that died together with its watchdog."""
        if self._directory.read():
            self._log.tell("the last supervisor did not end in order; its state file is replaced")
        left = kill_marked(self._directory.mark)
        if left:
            pids = ", ".join(map(str, left))
            what = f"processes of the last start cannot be ended: {pids}"
            raise LocalError(what, where=str(self._directory.path))

    def _environments(self) -> Mapping[Component, Path]:
        """Return the environments of declared images, made where they are missing."""
        if not self._plan.images:
            return {}
        from flowerbed.images.environment import environments

        return environments(self._plan, self._file, self._log.tell)

    def _reserve(self, *, gateway: bool) -> Reservation:
        ports = self._plan.local
        declared = {"fleet": ports.fleet, "control": ports.control, "runtime": ports.runtime}
        if not gateway:  # one listener for all three
            declared = {"superlink": ports.control or ports.fleet or ports.runtime}
        wanted = purposes(self._plan, gateway=gateway)
        reservation = reserve(wanted, declared, self._directory.read_ports())
        self._directory.keep_ports(reservation.ports)
        return reservation

    def _write_files(self, layout: LocalLayout) -> None:
        from flowerbed import bundles, identities
        from flowerbed.local.process_files import write_files

        folder = Project(self._file).bundles(self._plan.name)
        troubles = bundles.generate(self._plan, folder).troubles
        for trouble in troubles:
            self._log.tell(f"problem: {trouble}")
        # Users and tenants whose identities cannot be used stay out; the others start.
        without = {trouble.party for trouble in troubles}
        write_files(layout, identities.load(self._plan, folder, without=without))

    def _state(self, layout: LocalLayout) -> LocalState:
        pid = os.getpid()
        return LocalState(
            name=self._plan.name,
            file=str(self._file.resolve()),
            plan=plan_digest(self._plan),
            pid=pid,
            started=process_started(pid),
            state="starting",
            flower=version("flwr"),
            admission=self._plan.admission,
            insecure=self._plan.insecure,
            gateway=layout.gateway,
            ports=dict(layout.ports),
            endpoints={audience: _endpoint(layout, audience) for audience in AUDIENCES},
        )


def has_gateway(environment: Mapping[str, str]) -> bool:
    """Return whether the gateway can be used here: HAProxy is on the PATH, and nobody said no."""
    return environment.get("FLOWERBED_NO_GATEWAY") != "1" and shutil.which("haproxy") is not None


def local_layout(
    plan: Plan,
    directory: StateDirectory,
    ports: Mapping[str, int],
    environments: Mapping[Component, Path] | None = None,
    *,
    gateway: bool,
) -> LocalLayout:
    """Return where the plan runs on this machine, with the programs of this installation."""
    package = Path(flowerbed.__file__).resolve().parent
    return LocalLayout(
        plan=plan,
        directory=directory,
        ports=dict(ports),
        gateway=gateway,
        python=Path(sys.executable),
        flower=package / "flower",
        gateway_config=package / "charts" / "superlink" / "files" / "haproxy.cfg",
        environments=environments or {},
        search_path=os.environ.get("PATH", ""),
        no_proxy=no_proxy(),
        python_path=os.environ.get("PYTHONPATH", ""),
    )


def _endpoint(layout: LocalLayout, audience: str) -> Endpoint:
    address = layout.address(audience)
    if layout.plan.insecure:
        return Endpoint(address=address)
    authority = ssl.PEM_cert_to_DER_cert(_first_certificate(layout.root_certificates.read_text()))
    return Endpoint(
        address=address,
        tls_names=("localhost", "127.0.0.1"),
        ca_fingerprint=hashlib.sha256(authority).hexdigest(),
        ca_file=str(layout.root_certificates),
    )


def _first_certificate(pem: str) -> str:
    """Return the first certificate of a PEM text: the one that signs, while the CA is rotated."""
    first, end, _ = pem.partition("-----END CERTIFICATE-----\n")
    return first + end


def main(arguments: list[str] | None = None) -> int:
    """Run as a process of its own, for `flowerbed up --detach` and for Python; errors go to failure.txt."""
    parser = argparse.ArgumentParser(prog="python -m flowerbed.local.run")
    parser.add_argument("file", type=Path)
    parser.add_argument("--timeout", type=float, default=TIMEOUT)
    parser.add_argument("--no-gateway", action="store_true")
    parser.add_argument("--detached", action="store_true")
    given = parser.parse_args(arguments)
    from flowerbed.declaration import load_plan

    os.umask(0o077)
    options = Options(not given.no_gateway, given.timeout, given.detached, alone=True)
    try:
        return supervise(load_plan(given.file), given.file, options, lambda: None)
    except BusyError:
        return BUSY
    except FlowerbedError as error:
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
