"""The state folder of a local federation: where each file lies, and the record of what runs.

.flowerbed/hospitals/
  federation.json       what runs: supervisor, parts, ports, endpoints; absent when nothing does
  ports.json            the ports of the last time
  failure.txt           why the last start failed
  logs/PART.log         what each part prints; logs.previous/ is of the start before
  superlink/            database, certificate of the loopback hop, connection.toml past the gateway
  gateway/              certificates and the list of users
  revoked/              what was ever revoked: it only grows, and no backup contains or replaces it
  python/               what app processes load at their start
  superexec/runs/RUN/   a ServerApp's working folder
  nodes/NAME/           key, node config, runs/RUN/ as the working folder of its ClientApps
  users/NAME/           connection.toml and the files that it names
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from flowerbed import documents
from flowerbed.connection import CONNECTION_FILE
from flowerbed.errors import LocalError
from flowerbed.files import PRIVATE_MODE, read_file, write_atomic
from flowerbed.plan import Plan
from flowerbed.project import Project

MARK_NAME = "FLOWERBED_STATE"
RUN_FOLDERS = "superexec/runs"  # working folders of ServerApps, one for each run
PartState = Literal["running", "waiting to restart", "stopped"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what the record holds."""


class Endpoint(Entry, frozen=True):
    """Where an audience reaches the federation; `ca_fingerprint` is the SHA-256 of the CA, "" without TLS."""

    address: str
    tls_names: tuple[str, ...] = ()
    ca_fingerprint: str = ""
    ca_file: str = ""


class PartRecord(Entry, frozen=True):
    """One process: `exit_code` is that of its last end (negative: the signal), None while it never ended."""

    name: str
    state: PartState
    pid: int
    restarts: int
    log: str
    exit_code: int | None = None


class Record(Entry, frozen=True):
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
    parts: tuple[PartRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The paths in a state folder, which is absolute."""

    path: Path

    @property
    def mark(self) -> str:
        """Return the environment entry that every process of the federation carries."""
        return f"{MARK_NAME}={self.path}"

    @property
    def record_file(self) -> Path:
        """Return where the record lies."""
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

    def log(self, part: str) -> Path:
        """Return the log of a part."""
        return self.path / "logs" / f"{part}.log"

    def node(self, name: str) -> Path:
        """Return the folder of a node."""
        return self.path / "nodes" / name

    def user_connection(self, user: str) -> Path:
        """Return the connection of a user."""
        return self.path / "users" / user / CONNECTION_FILE


def state_of(file: Path, federation: str) -> StateFolder:
    """Return where the local federation of a declaration keeps its state."""
    return StateFolder(Project(file).state(federation))


def digest(plan: Plan) -> str:
    """Return what tells one plan from another."""
    return hashlib.sha256(msgspec.json.encode(plan, order="deterministic")).hexdigest()


def write_record(state: StateFolder, record: Record) -> None:
    """Keep the record."""
    write_atomic(state.record_file, documents.encode(record), PRIVATE_MODE)


def read_record(state: StateFolder) -> Record | None:
    """Return the record as it lies there, whoever wrote it; None where there is none that can be read."""
    found = read_file(state.record_file, PRIVATE_MODE)
    try:
        return documents.decode(found.data, Record) if found else None
    except ValueError:
        return None


def running(state: StateFolder) -> Record | None:
    """Return the record of a federation that runs now; None when nothing runs, or its supervisor died."""
    record = read_record(state)
    return record if record and process_started(record.pid) == record.started else None


def read_ports(state: StateFolder) -> dict[str, int]:
    """Return the ports of the last time, none when there was none."""
    found = read_file(state.ports_file, PRIVATE_MODE)
    try:
        return documents.decode(found.data, dict[str, int]) if found else {}
    except ValueError:
        return {}


def write_ports(state: StateFolder, ports: dict[str, int]) -> None:
    """Keep the ports for the next time."""
    write_atomic(state.ports_file, documents.encode(ports, indent=0), PRIVATE_MODE)


def process_started(pid: int) -> str:
    """Return when a process started, as text to compare; "" when it is not there (or only a zombie)."""
    try:
        # The command in brackets may hold anything; field 22 of proc(5) is the start, in ticks since boot.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except FileNotFoundError:
        return "" if Path("/proc/self").exists() else _asked_ps(pid)
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else f"{_boot()}/{fields[19]}"


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _asked_ps(pid: int) -> str:
    asked = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()


def claim(state: StateFolder) -> int | None:
    """Lock the state folder for a supervisor: return the descriptor that holds it, None if another does."""
    descriptor = os.open(state.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def claimed(state: StateFolder) -> bool:
    """Return whether a supervisor is at work in the state folder."""
    with contextlib.suppress(FileNotFoundError):
        descriptor = claim(state)
        if descriptor is None:
            return True
        os.close(descriptor)
    return False


def connection_file(state: Path, user: str | None = None) -> Path:
    """Return the connection.toml of `user`, by default of the first who may submit, for what runs in `state`.

    Raises LocalError when nothing runs there, or there is no such user.
    """
    folder = StateFolder(state)
    record = running(folder)
    if record is None or record.state != "online":
        what = "the local federation is still starting" if record else "no local federation runs here"
        raise LocalError(
            what, where=str(state), remedy="`flowerbed up` starts one, `flowerbed status` shows it"
        )
    if user is None:
        return folder.path / "users" / "default.toml"
    found = folder.user_connection(user)
    if not found.is_file():
        raise LocalError(
            f"there is no user {user!r}", where=str(state), remedy="declare the user under `users`"
        )
    return found
