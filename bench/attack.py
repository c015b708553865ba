"""What attackers cost others: a stranger at the fleet listener, a viewer at control, before the real gateway.

    python bench/attack.py [--seconds S] [--attack TEXT]

A federation of two nodes comes up on this machine. Each attack runs for S seconds; before it (a minute at
most) and during it, a node's signed pulls of messages or an operator's lists of runs are timed, each on a new
connection, and the SuperLink's memory is watched. TEXT keeps the attacks whose name has it. Meant to hold:
p99 during an attack at most twice that before it, and a stranger adds at most 20 MB. Attackers and those
measured share this machine's processors and one address.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from attackers import LENGTHS, Attack, Target, running
from measure import BenchError, environment, table, write_results

from flowerbed.declaration import load_plan
from flowerbed.errors import FlowerbedError
from flowerbed.flower import runs as flower_runs
from flowerbed.flower.app import app as flower_app
from flowerbed.flower.client import FlowerClient, flwr_without_init, messages
from flowerbed.flower.connection import Connection
from flowerbed.flower.programs.supernode import Fleet, read_key
from flowerbed.local import Federation, up
from flowerbed.local.state import StateDirectory
from flowerbed.runs import list_nodes, stop

DECLARATION = """version: 1
name: bench
flower: "1.41"
tenants: [{name: north, nodes: 2}]
users:
  - {name: viewer, role: viewer}
  - {name: operator, role: operator}
"""
PYPROJECT = """[project]
name = "waits"
version = "1.0.0"
[tool.flwr.app]
publisher = "bench"
[tool.flwr.app.components]
serverapp = "waits:server"
clientapp = "waits:client"
"""
APP = """import time
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
server, client = ServerApp(), ClientApp()
@server.main()
def main(grid, context):
    while True:
        time.sleep(1)
"""
EVERY = 0.05  # seconds from the end of a measured call to the next one
BEFORE = 60.0  # seconds, at most, of calls before an attack: some 1,000 of them
SETTLE = 2.0  # seconds between the beginning of an attack and the first measured call
STRANGER_MB, FACTOR = 20.0, 2.0
Call = Callable[[], None]


@dataclass
class Seen:
    """What honest calls took, in seconds, how many failed, and the SuperLink's highest memory, in MB."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    memory: float = 0.0

    def quantile(self, percent: int) -> float:
        """Return a percentile of the calls that were answered, in milliseconds."""
        return statistics.quantiles(self.seconds, n=100)[percent - 1] * 1e3


def watch(call: Call, pid: int, seconds: float) -> Seen:
    """Make calls for a time, and look at the SuperLink's memory after each."""
    seen, end = Seen(), time.monotonic() + seconds
    while time.monotonic() < end or len(seen.seconds) + seen.failed < 2:
        began = time.perf_counter()
        try:
            call()
            seen.seconds.append(time.perf_counter() - began)
        except FlowerbedError as error:
            print(f"  an honest call failed: {error}", file=sys.stderr)
            seen.failed += 1
        seen.memory = max(seen.memory, memory(pid))
        time.sleep(EVERY)
    return seen


def memory(pid: int) -> float:
    """Return a process's resident memory in MB (Linux: proc_pid_status(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024 / 1e6


def node_call(federation: Federation) -> Call:
    """Return a node's pull of messages, on a new connection each time."""
    folder = StateDirectory.of(federation.file, "bench").path
    node = list_nodes(Connection.load(federation.connection("operator")))[0]
    key = read_key(folder / "nodes" / str(node.name) / "key")
    if key is None:
        raise BenchError(f"no key of {node.name}")
    with flwr_without_init():
        from flwr.proto.fleet_pb2 import PullMessagesRequest, PullMessagesResponse
        from flwr.proto.node_pb2 import Node
    address = federation.record.endpoints["fleet"].address
    fleet = Fleet(Connection(address=address, root_certificates=folder / "gateway" / "ca.crt"), key)
    request = PullMessagesRequest(node=Node(node_id=int(node.node_id)))

    def pull() -> None:
        fleet.close()
        fleet.call("fleet/pull-messages", request, PullMessagesResponse, fleet._signed())

    return pull


def user_call(federation: Federation) -> Call:
    """Return the operator's list of runs, on a new connection each time."""
    client = FlowerClient(Connection.load(federation.connection("operator")))
    request = messages().ListRunsRequest(limit=1)

    def ask() -> None:
        client.close()
        client.call("control/list-runs", request, messages().ListRunsResponse)

    return ask


def strangers(federation: Federation) -> Iterable[Attack]:
    """Return the attacks of somebody who has neither key nor certificate."""
    folder = StateDirectory.of(federation.file, "bench").path
    target = Target(federation.record.endpoints["fleet"].address, folder / "gateway" / "ca.crt")
    pull, push = "/v1/fleet/pull-messages", "/v1/fleet/push-object"
    yield Attack("2,000 silent connections", 2000, target)
    yield Attack("64 dripping bodies, 1 byte first", 64, target, pull, (16_000_000,), b"x", "drips")
    yield Attack("64 dripping bodies, 40 kB first", 64, target, push, (16_000_000,), bytes(40_000), "drips")
    yield Attack("4 bodies of 1 MiB to 2^63 - 1 bytes", 4, target, push, LENGTHS, b"", "floods")


def viewers(federation: Federation, run_id: str) -> Iterable[Attack]:
    """Return the attacks of a user who may only read."""
    folder = StateDirectory.of(federation.file, "bench").path
    address = federation.record.endpoints["control"].address
    target = Target(address, folder / "gateway" / "ca.crt", folder / "users" / "viewer")
    body = messages().StreamLogsRequest(run_id=int(run_id)).SerializeToString()
    yield Attack("32 dripping calls", 32, target, "/v1/control/list-runs", (10_000,), b"x", "drips")
    yield Attack("24 log streams", 24, target, "/v1/control/stream-logs", (len(body),), body)


def start_run(federation: Federation, folder: Path) -> str:
    """Start a run that waits, and return its id."""
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "waits.py").write_text(APP)
    with FlowerClient(Connection.load(federation.connection("operator"))) as client:
        return str(flower_runs.start(client, flower_app.load(folder), {}))


def measured(attacks: Iterable[Attack], call: Call, pid: int, seconds: float) -> dict[str, tuple[Seen, Seen]]:
    """Return what was seen before and during each attack."""
    found, quiet = {}, min(seconds, BEFORE)
    for attack in attacks:
        print(f"{attack.name}: {quiet:g} s before, {seconds:g} s during", file=sys.stderr)
        before = watch(call, pid, quiet)
        with running(attack):
            time.sleep(SETTLE)
            found[attack.name] = before, watch(call, pid, seconds)
    return found


def main() -> int:
    """Attack, measure, print, write; 1 if a figure is not what is meant to hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=15.0, metavar="S", help="each attack (default: 15)")
    parser.add_argument("--attack", default="", metavar="TEXT", help="those with TEXT in their name")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "federation.yaml")
        file.write_text(DECLARATION)
        with up(load_plan(file), file, tell=lambda text: print(text, file=sys.stderr)) as federation:
            record = StateDirectory.of(file, "bench").read()
            if record is None or not record.gateway:
                raise BenchError("the gateway does not run: install HAProxy")
            pid = next(part.pid for part in record.parts if part.name == "superlink")
            run_id = start_run(federation, Path(name, "waits"))
            found = {
                who: measured(
                    [one for one in attacks if given.attack in one.name], call(federation), pid, given.seconds
                )
                for who, attacks, call in (
                    ("stranger", strangers(federation), node_call),
                    ("viewer", viewers(federation, run_id), user_call),
                )
            }
            stop(Connection.load(federation.connection("operator")), run_id)
    if not any(found.values()):
        raise BenchError(f"no attack has {given.attack!r} in its name")
    return report(found)


def report(found: dict[str, dict[str, tuple[Seen, Seen]]]) -> int:
    """Print the table and write the figures."""
    rows, figures, missed = [], {}, 0
    for who, attacks in found.items():
        for name, (before, during) in attacks.items():
            factor = during.quantile(99) / before.quantile(99)
            added = during.memory - before.memory
            holds = factor <= FACTOR and not during.failed and (who == "viewer" or added <= STRANGER_MB)
            missed += not holds
            times = [f"{seen.quantile(percent):.1f}" for percent in (50, 99) for seen in (before, during)]
            rows.append((who, name, *times, f"{factor:.2f}", str(during.failed), f"{added:.1f}"))
            figures[f"{who}: {name}"] = {"p99 factor": factor, "failed": during.failed, "added MB": added}
    print(f"Honest calls before and during attacks ({environment()})\n")
    headings = (
        "who",
        "attack",
        "p50 ms before",
        "during",
        "p99 ms before",
        "during",
        "p99 factor",
        "failed",
        "added MB",
    )
    print(table(headings, rows))
    write_results("attack", figures)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
