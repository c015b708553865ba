"""The state directory of a local federation: where each file lies, what runs, and whose turn it is.

.flowerbed/hospitals/
  federation.json       what runs: supervisor, processes, ports, endpoints; absent when nothing does
  ports.json            the ports of the last time
  failure.txt           why the last start failed
  logs/PROCESS.log      what each process prints; logs.previous/ is of the start before
  superlink/            database, certificate of the loopback hop, connection.toml past the gateway
  gateway/              certificates and the list of users
  revoked/              what was ever revoked: it only grows, and no backup contains or replaces it
  python/               what app processes load at their start
  superexec/runs/RUN/   a ServerApp's working directory
  nodes/NAME/           key, node config, runs/RUN/ as the working directory of its ClientApps
  users/NAME/           connection.toml and the files that it names
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from flowerbed import documents
from flowerbed.connection import CONNECTION_FILE
from flowerbed.errors import LocalError
from flowerbed.files import PRIVATE_MODE, make_private_folder, read_file, write_atomic
from flowerbed.plan import Plan
from flowerbed.project import Project

MARK_NAME = "FLOWERBED_STATE"
RUN_FOLDERS = "superexec/runs"  # working directories of ServerApps, one for each run


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what the state holds."""


class Endpoint(Entry, frozen=True):
    """Where an audience reaches the federation; `ca_fingerprint` is the SHA-256 of the CA, "" without TLS."""

    address: str
    tls_names: tuple[str, ...] = ()
    ca_fingerprint: str = ""
    ca_file: str = ""


class ProcessStatus(Entry, frozen=True):
    """One process: `exit_code` is that of its last end (negative: the signal), None while it never ended."""

    name: str
    state: Literal["running", "waiting to restart", "stopped"]
    pid: int
    restarts: int
    log: str
    exit_code: int | None = None


class LocalState(Entry, frozen=True):
    """What runs. `started` tells the supervisor from a later process with the same pid."""

    name: str
    file: str
    plan: str
    pid: int
    started: str
    state: Literal["starting", "online"]
    flower: str
    admission: str
    insecure: bool
    gateway: bool
    ports: dict[str, int]
    endpoints: dict[str, Endpoint]
    parts: tuple[ProcessStatus, ...] = ()

    def runs(self, plan: Plan) -> bool:
        """Return whether it came up from this very plan."""
        return self.plan == plan_digest(plan)

    def is_supervised(self) -> bool:
        """Return whether its supervisor lives."""
        return process_started(self.pid) == self.started


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """A state directory, by its absolute path: its files, and the lock of the supervisor that has it."""

    path: Path

    @classmethod
    def of(cls, declaration: Path, federation: str) -> StateDirectory:
        """Return the one in which the local federation of a declaration keeps its state."""
        return cls(Project(declaration).state(federation))

    @property
    def mark(self) -> str:
        """Return the environment entry that every process of the federation carries."""
        return f"{MARK_NAME}={self.path}"

    @property
    def state_file(self) -> Path:
        """Return the file that says what runs."""
        return self.path / "federation.json"

    @property
    def ports_file(self) -> Path:
        """Return where the ports of the last time are kept."""
        return self.path / "ports.json"

    @property
    def failure_file(self) -> Path:
        """Return where a start that failed says why."""
        return self.path / "failure.txt"

    @property
    def connection_past_gateway(self) -> Path:
        """Return the connection that goes to the SuperLink itself."""
        return self.path / "superlink" / CONNECTION_FILE

    @property
    def database(self) -> Path:
        """Return where the SuperLink keeps its runs and nodes."""
        return self.path / "superlink" / "state.db"

    @property
    def revoked(self) -> Path:
        """Return the directory with what was ever revoked."""
        return self.path / "revoked"

    def log(self, process: str) -> Path:
        """Return the log of a process."""
        return self.path / "logs" / f"{process}.log"

    def node(self, name: str) -> Path:
        """Return the directory of a node."""
        return self.path / "nodes" / name

    def user_connection(self, user: str) -> Path:
        """Return the connection of a user."""
        return self.path / "users" / user / CONNECTION_FILE

    def read(self) -> LocalState | None:
        """Return the state as it is written, whoever wrote it; None where there is none that can be read."""
        file = read_file(self.state_file, PRIVATE_MODE)
        try:
            return documents.decode(file.data, LocalState) if file else None
        except ValueError:
            return None

    def write(self, state: LocalState) -> None:
        """Keep the state."""
        write_atomic(self.state_file, documents.encode(state), PRIVATE_MODE)

    def running(self) -> LocalState | None:
        """Return the state of a federation that runs now; None when nothing runs, or its supervisor died."""
        state = self.read()
        return state if state and state.is_supervised() else None

    def read_ports(self) -> dict[str, int]:
        """Return the ports of the last time, none when there was none."""
        file = read_file(self.ports_file, PRIVATE_MODE)
        try:
            return documents.decode(file.data, dict[str, int]) if file else {}
        except ValueError:
            return {}

    def keep_ports(self, ports: dict[str, int]) -> None:
        """Keep ports for the next time, beside those of other purposes."""
        write_atomic(self.ports_file, documents.encode(self.read_ports() | ports, indent=0), PRIVATE_MODE)

    def rotate_logs(self) -> None:
        """Begin with no logs; those of the start before are kept aside."""
        logs, previous = self.path / "logs", self.path / "logs.previous"
        if logs.exists():
            shutil.rmtree(previous, ignore_errors=True)
            logs.rename(previous)
        make_private_folder(logs)

    def claim(self) -> int | None:
        """Lock the directory for a supervisor: return the descriptor that holds it, None if another does."""
        descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def is_claimed(self) -> bool:
        """Return whether a supervisor is at work in the directory."""
        with contextlib.suppress(FileNotFoundError):
            descriptor = self.claim()
            if descriptor is None:
                return True
            os.close(descriptor)
        return False

    def connection_file(self, user: str | None = None) -> Path:
        """Return the connection.toml of `user`, by default of the first who may submit, for what runs here.

        Raises LocalError when nothing runs here, or there is no such user.
        """
        state = self.running()
        if state is None or state.state != "online":
            what = "the local federation is still starting" if state else "no local federation runs here"
            remedy = "`flowerbed up` starts one, `flowerbed status` shows it"
            raise LocalError(what, where=str(self.path), remedy=remedy)
        if user is None:
            return self.path / "users" / "default.toml"
        file = self.user_connection(user)
        if not file.is_file():
            remedy = "declare the user under `users`"
            raise LocalError(f"there is no user {user!r}", where=str(self.path), remedy=remedy)
        return file


def plan_digest(plan: Plan) -> str:
    """Return what tells one plan from another."""
    return hashlib.sha256(msgspec.json.encode(plan, order="deterministic")).hexdigest()


def process_started(pid: int) -> str:
    """Return when a process started, as text to compare; "" when it does not exist (or only as a zombie)."""
    try:
        # The command in brackets may hold anything; field 22 of proc(5) is the start, in ticks since boot.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except FileNotFoundError:
        return "" if Path("/proc/self").exists() else _start_by_ps(pid)
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{_boot()}/{fields[19]}"


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _start_by_ps(pid: int) -> str:
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
