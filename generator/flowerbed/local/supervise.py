"""Prepares a local federation and supervises it, in this process: `python -m flowerbed.local.supervise`.

The folder is claimed first, so that of two starts at once one wins. Then: what a supervisor that died left
is ended, identities are made or loaded, ports reserved, files written, and only then does anything start.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TextIO

import flowerbed
from flowerbed.errors import FlowerbedError, LocalError
from flowerbed.files import PRIVATE_MODE, make_private_folder, write_atomic
from flowerbed.flower.proxy import no_proxy
from flowerbed.flower.text import write
from flowerbed.local.commands import Site, base_environment, purposes
from flowerbed.local.guardian import sweep
from flowerbed.local.notes import notes, warnings
from flowerbed.local.ports import Reservation, reserve
from flowerbed.local.state import (
    Endpoint,
    Record,
    StateFolder,
    claim,
    digest,
    process_started,
    read_ports,
    read_record,
    state_of,
    write_ports,
)
from flowerbed.local.supervisor import Asked, Supervisor, Tell
from flowerbed.plan import Component, Plan
from flowerbed.project import Project

BUSY = 75  # sysexits.h: EX_TEMPFAIL, somebody else is starting it
TIMEOUT = 120.0
AUDIENCES = ("fleet", "control", "runtime")


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
    """Another supervisor has the state folder."""


class Narrator:
    """Tells a log file, and standard error for as long as somebody may listen there."""

    def __init__(self, log: Path) -> None:
        self._log: TextIO = log.open("a", encoding="utf-8")
        self._listening = True

    def tell(self, text: str) -> None:
        """Write a line."""
        self._log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")
        self._log.flush()
        if self._listening:
            try:
                write(sys.stderr, f"{text}\n")
            except OSError:
                self._listening = False

    def leave(self) -> None:
        """Let go of standard error: whoever waits at its other end sees the end of file."""
        self._listening = False
        os.dup2(self._log.fileno(), 2)


def has_gateway(environment: Mapping[str, str]) -> bool:
    """Return whether the gateway can be used here: HAProxy is on the PATH, and nobody said no."""
    return environment.get("FLOWERBED_NO_GATEWAY") != "1" and shutil.which("haproxy") is not None


def supervise(plan: Plan, file: Path, options: Options, came_online: Callable[[], None]) -> int:
    """Run the federation until it is asked to end; return the exit code.

    `came_online` is called once, when all nodes are online.
    Raises BusyError when another supervisor has the folder, and other FlowerbedErrors when it cannot come up.
    """
    # First of all, so that no signal can come between the start of a part and the means to end it.
    asked = Asked(None if options.detached else os.getppid())
    asked.listen()
    state = state_of(file, plan.name)
    make_private_folder(state.path)
    lock = _claim(state)
    if lock is None:
        raise BusyError("another `flowerbed up` is at work here", where=str(state.path))
    try:
        return _claimed(plan, file, options, asked, came_online)
    except FlowerbedError as error:
        write_atomic(state.failure_file, f"{error}\n".encode(), PRIVATE_MODE)
        raise
    finally:
        state.record_file.unlink(missing_ok=True)
        os.close(lock)


def _claim(state: StateFolder) -> int | None:
    # More than once: who asks whether the folder is claimed holds it for an instant.
    for _ in range(5):
        if (lock := claim(state)) is not None:
            return lock
        time.sleep(0.05)
    return None


def _claimed(plan: Plan, file: Path, options: Options, asked: Asked, came_online: Callable[[], None]) -> int:
    state = state_of(file, plan.name)
    state.failure_file.unlink(missing_ok=True)
    _new_logs(state)
    narrator = Narrator(state.log("supervisor"))
    _end_leftovers(state, narrator.tell)
    with_gateway = options.gateway and has_gateway(os.environ)
    environments = _environments(plan, file, narrator.tell)
    reservation = _reserve(plan, state, gateway=with_gateway)
    site = build_site(plan, state, reservation.ports, gateway=with_gateway)
    site = replace(site, environments=environments)
    told = warnings(plan, gateway=with_gateway, superlink=site.ports["superlink"])
    for note in [*notes(plan, gateway=with_gateway), *told]:
        narrator.tell(f"note: {note}")
    _write(site, file, narrator.tell)
    environment = base_environment(os.environ, site.python)
    supervisor = Supervisor(site, _record(site, file), environment, asked, narrator.tell)
    return supervisor.run(options.timeout, narrator.leave if options.alone else came_online)


def build_site(plan: Plan, state: StateFolder, ports: Mapping[str, int], *, gateway: bool) -> Site:
    """Return the plan's place on this machine, with the programs of this installation."""
    package = Path(flowerbed.__file__).resolve().parent
    return Site(
        plan=plan,
        state=state,
        ports=dict(ports),
        gateway=gateway,
        python=Path(sys.executable),
        flower=package / "flower",
        gateway_config=package / "charts" / "superlink" / "files" / "haproxy.cfg",
        search_path=os.environ.get("PATH", ""),
        no_proxy=no_proxy(),
        python_path=os.environ.get("PYTHONPATH", ""),
    )


def _environments(plan: Plan, file: Path, tell: Callable[[str], None]) -> Mapping[Component, Path]:
    """Return the environments of declared images, made where they are missing."""
    if not plan.images:
        return {}
    from flowerbed.images.environment import environments

    return environments(plan, file, tell)


def _write(site: Site, file: Path, tell: Callable[[str], None]) -> None:
    from flowerbed import bundles, identities
    from flowerbed.local.files import write_files

    folder = Project(file).bundles(site.plan.name)
    troubles = bundles.generate(site.plan, folder).troubles
    for trouble in troubles:
        tell(f"problem: {trouble}")
    # Users and tenants whose identities cannot be used stay out; the others start.
    without = {trouble.party for trouble in troubles}
    write_files(site, identities.load(site.plan, folder, without=without))


def _reserve(plan: Plan, state: StateFolder, *, gateway: bool) -> Reservation:
    ports = plan.local
    declared = {"fleet": ports.fleet, "control": ports.control, "runtime": ports.runtime}
    if not gateway:  # one listener for all three
        declared = {"superlink": ports.control or ports.fleet or ports.runtime}
    reservation = reserve(purposes(plan, gateway=gateway), declared, read_ports(state))
    write_ports(state, {**read_ports(state), **reservation.ports})
    return reservation


def _record(site: Site, file: Path) -> Record:
    pid = os.getpid()
    return Record(
        name=site.plan.name,
        file=str(file.resolve()),
        plan=digest(site.plan),
        pid=pid,
        started=process_started(pid),
        state="starting",
        flower=version("flwr"),
        admission=site.plan.admission,
        insecure=site.plan.insecure,
        gateway=site.gateway,
        ports=dict(site.ports),
        endpoints={audience: _endpoint(site, audience) for audience in AUDIENCES},
    )


def _first(bundle: str) -> str:
    """Return the first certificate of a PEM text: the one that signs, while the CA is rotated."""
    first, end, _ = bundle.partition("-----END CERTIFICATE-----\n")
    return first + end


def _endpoint(site: Site, audience: str) -> Endpoint:
    import hashlib
    import ssl

    address = site.address(audience)
    if site.plan.insecure:
        return Endpoint(address=address)
    authority = ssl.PEM_cert_to_DER_cert(_first(site.root_certificates.read_text()))
    return Endpoint(
        address=address,
        tls_names=("localhost", "127.0.0.1"),
        ca_fingerprint=hashlib.sha256(authority).hexdigest(),
        ca_file=str(site.root_certificates),
    )


def _new_logs(state: StateFolder) -> None:
    logs, previous = state.path / "logs", state.path / "logs.previous"
    if logs.exists():
        shutil.rmtree(previous, ignore_errors=True)
        logs.rename(previous)
    make_private_folder(logs)


def _end_leftovers(state: StateFolder, tell: Tell) -> None:
    """End what a supervisor left that died together with its guardian."""
    if read_record(state):
        tell("the last supervisor did not end in order; its record is replaced")
    left = sweep(state.mark)
    if left:
        pids = ", ".join(map(str, left))
        raise LocalError(f"processes of the last start cannot be ended: {pids}", where=str(state.path))


def main(arguments: list[str] | None = None) -> int:
    """Run as a process of its own, for `flowerbed up --detach` and for Python; errors go to failure.txt."""
    parser = argparse.ArgumentParser(prog="python -m flowerbed.local.supervise")
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
