"""docs/reference/access.md: who can hold what of a real gateway, and for how long."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from docs.federation import running
from flowerbed.flower import runs as flower_runs
from flowerbed.flower.app import app as flower_app
from flowerbed.flower.client import FlowerClient, messages
from flowerbed.flower.connection import Connection
from flowerbed.local import Federation
from flowerbed.local.state import StateDirectory
from marked import table
from support.further_gateway import as_user
from support.gateway_calls import as_node, call, trust
from support.hello_app import write_app
from support.slow_clients import connected, dripping, head, is_open, silence

TRIES = 72  # more than any share
PATIENCE = 14  # seconds: more than any clock
DRIP = 4  # seconds between two bytes
WHILE_FED = "while a byte comes every 10 s"
Row = tuple[str, str, str, str]


@dataclass(frozen=True)
class Gate:
    """The gateway of a running federation, and a run whose log can be followed."""

    federation: Federation
    run_id: str

    @cached_property
    def folder(self) -> Path:
        """Return the federation's state folder."""
        return StateDirectory.of(self.federation.file, self.federation.record.name).path

    def address(self, listener: str) -> str:
        """Return HOST:PORT of a listener."""
        return f"127.0.0.1:{self.federation.record.ports[listener]}"

    def limit(self, listener: str) -> str:
        """Return how many connections a listener takes, as HAProxy says itself."""
        page = call(self.address("metrics"), "/metrics", None, method="GET").body
        wanted = f'haproxy_frontend_limit_sessions{{proxy="{listener}"}}'
        return next(line.split()[-1] for line in page.splitlines() if line.startswith(wanted))


def silent(listener: str) -> Callable[[Gate], Row]:
    """Return a trial: connections that never say anything."""

    def trial(gate: Gate) -> Row:
        held = silence(gate.address(listener), None)
        return "anybody", f"a silent connection to {listener}", gate.limit(listener), in_seconds(held)

    return trial


def handshake(gate: Gate) -> Row:
    """Try a finished handshake without a request."""
    held = silence(gate.address("fleet"), trust(gate.folder / "gateway" / "ca.crt"))
    return "anybody", "a connection to fleet without a call", gate.limit("fleet"), in_seconds(held)


def lasts(address: str, tls: ssl.SSLContext, request: bytes) -> str:
    """Return how long the gateway bears one call with a byte now and then."""
    began = time.monotonic()
    one = connected(address, tls)
    one.sendall(request)
    with contextlib.closing(one):
        one.settimeout(DRIP)
        while time.monotonic() < began + PATIENCE:
            with contextlib.suppress(TimeoutError):
                one.recv(100)
                return in_seconds(time.monotonic() - began)
            one.sendall(b"x")
    return WHILE_FED


def in_seconds(passed: float) -> str:
    """Return whole seconds: what is above them is this machine's own."""
    return f"{int(passed)} s"


def held(gate: Gate, listener: str, user: str, request: bytes) -> tuple[str, str]:
    """Return how many of many dripping calls stay, and for how long one does."""
    tls = as_user(gate.folder, user) if user else trust(gate.folder / "gateway" / "ca.crt")
    with dripping(gate.address(listener), tls, request, TRIES) as opened:
        kept = sum(is_open(one) for one in opened)
    return str(kept), lasts(gate.address(listener), tls, request) if kept else "–"


def strangers_body(gate: Gate) -> Row:
    """Try uploads with no key that the gateway knows."""
    most, longest = held(gate, "fleet", "", head("/v1/fleet/push-object", 16_000_000, {}) + bytes(40_000))
    return "no admitted key", "a body at fleet", most, longest


def nodes_upload(gate: Gate) -> Row:
    """Try uploads with a node's public key."""
    request = head("/v1/fleet/push-object", 16_000_000, as_node(gate.federation.file)) + bytes(40_000)
    most, longest = held(gate, "fleet", "", request)
    return "a node's key", "uploads at fleet", f"{most} of 48", longest


def viewers_calls(gate: Gate) -> Row:
    """Try calls whose body does not arrive."""
    most, longest = held(gate, "control", "vera", head("/v1/control/list-runs", 10_000, {}) + b"x")
    return "a viewer", "calls at control that have not arrived", most, longest


def submitters_upload(gate: Gate) -> Row:
    """Try apps that do not arrive."""
    request = head("/v1/control/start-run", 10_000_000, {}) + bytes(40_000)
    most, longest = held(gate, "control", "sam", request)
    return "a submitter", "uploads of apps", f"{most} of 24", longest


def users_connections(gate: Gate) -> Row:
    """Try connections of one user without a call."""
    with dripping(gate.address("control"), as_user(gate.folder, "olga"), b"", TRIES) as opened:
        kept = sum(is_open(one) for one in opened)
    longest = silence(gate.address("control"), as_user(gate.folder, "olga"))
    return "a user", "connections to control without a call", str(kept), in_seconds(longest)


def streams(gate: Gate) -> Row:
    """Try log streams of one user."""
    body = messages().StreamLogsRequest(run_id=int(gate.run_id)).SerializeToString()
    request = head("/v1/control/stream-logs", len(body), {}) + body
    with dripping(gate.address("control"), as_user(gate.folder, "olga"), request, 24) as opened:
        answers = [one.recv(100) for one in opened]
        kept = [answer for answer in answers if answer.startswith(b"HTTP/1.1 200")]
    return "a user", "log streams", f"{len(kept)} of 20", "as long as the run, 1 h without a line"


def apps_upload(gate: Gate) -> Row:
    """Try objects that do not arrive, of one address."""
    request = head("/v1/runtime/push-object", 16_000_000, {}) + bytes(40_000)
    most, longest = held(gate, "runtime", "", request)
    return "anybody at runtime, one address", "uploads", f"{most} of 48", longest


# Those of one line run side by side; what shares a share does not.
TRIALS: tuple[tuple[Callable[[Gate], Row], ...], ...] = (
    (*(silent(name) for name in ("fleet", "control", "runtime", "readiness")), handshake),
    (strangers_body, nodes_upload, viewers_calls, submitters_upload, apps_upload),
    (users_connections,),
    (streams,),
)


def holds(federation: Federation, run_id: str) -> str:
    """Return who can hold what, as a table."""
    gate = Gate(federation, run_id)
    with ThreadPoolExecutor(8) as pool:
        rows = [row for line in TRIALS for row in pool.map(lambda trial: trial(gate), line)]
    return table(["who", "holds", "at most", "for at most"], rows)


def waiting_run(federation: Federation, app: Path) -> str:
    """Start a run that lasts as long as the trials."""
    with FlowerClient(Connection.load(federation.connection("sam"))) as client:
        return str(flower_runs.start(client, flower_app.load(app), {"seconds": 300.0}))


def holds_now() -> str:
    """Return the table of a federation that is started for it."""
    with running() as federation, tempfile.TemporaryDirectory() as name:
        run_id = waiting_run(federation, write_app(Path(name, "hello")))
        return holds(federation, run_id)
