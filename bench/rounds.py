"""Seconds a round: `execution: fast` beside `execution: stock` beside Flower alone.

    python bench/rounds.py [--nodes 2 4 10] [--rounds N] [--turns N]

A local federation with its gateway comes up for each execution in turn, and one of Flower alone: a SuperLink
and SuperNodes over plain HTTP. Each runs an app that computes nothing once unmeasured and then `turns` times,
and examples/digits as often. Also taken: submit to the first round, and memory (PSS) and CPU time of a node
that has had nothing to do for a while.
Meant to hold with the fewest nodes, beside stock: a round at most 1/6, submit to the first round at most 1/2,
memory of a node at most the same.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from measure import BenchError, environment, table, write_results

KINDS = ("stock", "fast", "Flower alone")
ROUND, FIRST, MEMORY = 1 / 6, 1 / 2, 1.0
LIMIT = 900.0  # seconds for a command
QUIESCENT, IDLE = 35.0, 20.0  # seconds until all wait as long as Flower does, and then of measuring
QUIET = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
QUIET |= {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
QUIET |= {"FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1"}
BIN = Path(sys.executable).parent
DIGITS = Path(__file__).parents[1] / "examples" / "digits"
DECLARATION = """\
version: 1
name: rounds
flower: "1.41"
execution: {execution}
tenants: [{{name: north, nodes: {nodes}}}]
users: [{{name: analyst, role: submitter}}]
"""
APP = {
    "pyproject.toml": """\
[project]
name = "nothing"
version = "1.0.0"
dependencies = ["flwr>=1.41,<1.42"]

[tool.flwr.app]
publisher = "bench"

[tool.flwr.app.components]
serverapp = "nothing.server:app"
clientapp = "nothing.client:app"

[tool.flwr.app.config]
rounds = 5
nodes = 2
""",
    "nothing/__init__.py": "",
    "nothing/server.py": """\
import json
import time

from flwr.app import Message, RecordDict
from flwr.serverapp import ServerApp

app = ServerApp()


@app.main()
def main(grid, context):
    while len(nodes := list(grid.get_node_ids())) < context.run_config["nodes"]:
        time.sleep(0.1)
    times = [time.time()]
    for _ in range(context.run_config["rounds"]):
        asked = [Message(RecordDict(), dst_node_id=node, message_type="query") for node in nodes]
        replies = list(grid.send_and_receive(asked))
        assert len(replies) == len(nodes) and not any(reply.has_error() for reply in replies)
        times.append(time.time())
    print("times:", json.dumps(times), flush=True)
""",
    "nothing/client.py": """\
from flwr.app import Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.query()
def query(message, context):
    return Message(RecordDict(), reply_to=message)
""",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians: seconds of a round, until the first one, and of a whole run of digits.

    Of a node: MB (10^6 bytes), and milliseconds of CPU time a second while idle.
    """

    round: float
    slowest: float
    first: float
    digits: float
    node_mb: float
    node_idle: float


@dataclass(frozen=True, slots=True)
class Running:
    """A federation that is up: how it runs an app with a run config, and its nodes' processes."""

    run: Callable[[Path, dict[str, int]], str]
    pids: list[int]


def command(folder: Path, *words: str, **more: str) -> str:
    """Run a command to its end and return all that it said. Raises BenchError."""
    done = subprocess.run(
        words,
        cwd=folder,
        env={**QUIET, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout[-2000:]}")
    return done.stdout


@contextmanager
def declared(folder: Path, execution: str, nodes: int) -> Iterator[Running]:
    """Bring a local federation up. Raises BenchError."""
    (folder / "federation.yaml").write_text(DECLARATION.format(execution=execution, nodes=nodes))
    flowerbed = (sys.executable, "-m", "flowerbed")
    try:
        command(folder, *flowerbed, "up", "--detach", "--timeout", "300")
        found = subprocess.run(
            [*flowerbed, "status", "--local", "--json"], cwd=folder, stdout=subprocess.PIPE, check=True
        )
        status = json.loads(found.stdout)
        names = {node["name"] for node in status["nodes"]}

        def run(app: Path, config: dict[str, int]) -> str:
            words = [word for name, value in config.items() for word in ("--set", f"{name}={value}")]
            return command(folder, *flowerbed, "submit", str(app), *words)

        yield Running(run, [part["pid"] for part in status["parts"] if part["name"] in names])
    finally:
        command(folder, *flowerbed, "down")


@contextmanager
def alone(folder: Path, nodes: int) -> Iterator[Running]:
    """Start Flower's programs as their documentation does. Raises BenchError."""
    ports = _free_ports(nodes + 1)
    home = folder / "flwr"
    home.mkdir()
    (home / "config.toml").write_text(
        '[superlink]\ndefault = "bench"\n'
        f'[superlink.bench]\naddress = "127.0.0.1:{ports[0]}"\ninsecure = true\n'
    )
    with ExitStack() as stack:

        def start(name: str, *words: str) -> int:
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                [BIN / words[0], *words[1:]],
                cwd=folder,
                env={**QUIET, "PATH": f"{BIN}:{QUIET['PATH']}", "FLWR_HOME": str(home)},
                stdout=log,
                stderr=log,
            )
            stack.callback(_end, process)
            return process.pid

        start("superlink", "flower-superlink", "--insecure", *_listens(ports[0]))
        _answers(ports[0])
        link = ("--superlink", f"127.0.0.1:{ports[0]}")
        pids = [
            start(
                f"supernode-{number}",
                *("flower-supernode", "--insecure", *link, *_listens(port)),
                *("--node-config", f"partition-id={number} num-partitions={nodes}"),
            )
            for number, port in enumerate(ports[1:])
        ]

        def run(app: Path, config: dict[str, int]) -> str:
            words = " ".join(f"{name}={value}" for name, value in config.items())
            flwr = (str(BIN / "flwr"), "run", str(app), "bench", "--stream", "--run-config", words)
            return command(folder, *flwr, FLWR_HOME=str(home))

        yield Running(run, pids)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _listens(port: int) -> tuple[str, ...]:
    return "--host", "127.0.0.1", "--port", str(port)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(one.getsockname()[1]) for one in sockets]


def _answers(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise BenchError("the SuperLink does not start")


def measure(folder: Path, kind: str, nodes: int, rounds: int, turns: int) -> Figures:
    """Bring a federation up, run the apps, take it down. Raises BenchError."""
    folder.mkdir()
    for name, text in APP.items():
        (folder / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "app" / name).write_text(text)
    seconds, first, digits = [], [], []
    up = alone(folder, nodes) if kind == "Flower alone" else declared(folder, kind, nodes)
    with up as running:
        for turn in range(turns + 1):
            began = time.time()
            said = running.run(folder / "app", {"rounds": rounds, "nodes": nodes})
            if not (found := re.search(r"times: (\[.*\])", said)):
                raise BenchError(f"the app printed no times:\n{said[-2000:]}")
            times = json.loads(found[1])
            if turn:
                first.append(times[0] - began)
                seconds += [after - before for before, after in pairwise(times)]
        for _ in range(turns):
            began = time.time()
            running.run(DIGITS, {"min-nodes": nodes})
            digits.append(time.time() - began)
        time.sleep(QUIESCENT)
        memory = sum(map(pss, running.pids)) / nodes
        before = sum(map(cpu, running.pids))
        time.sleep(IDLE)
        idle = (sum(map(cpu, running.pids)) - before) / IDLE / nodes * 1000
    return Figures(
        statistics.median(seconds),
        max(seconds),
        statistics.median(first),
        statistics.median(digits),
        memory,
        idle,
    )


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [
        int(child)
        for thread in Path(f"/proc/{pid}/task").iterdir()
        for child in (thread / "children").read_text().split()
    ]


def pss(pid: int) -> float:
    """Return the MB of a process and all that it started."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except ProcessLookupError:  # Flower waits for an app process only when it starts another one
        return 0.0
    [own] = re.findall(r"^Pss: +(\d+) kB$", text, re.MULTILINE)
    return int(own) * 1024 / 1e6 + sum(map(pss, children(pid)))


def cpu(pid: int) -> float:
    """Return the seconds of CPU time of a process and all that it started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") + sum(map(cpu, children(pid)))


def main() -> int:
    """Measure, print, write; 1 if the figures for the fewest nodes are not those that are meant to hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--nodes", type=int, nargs="+", default=[2, 4, 10], metavar="N", help="(default: 2 4 10)"
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds of a run (default: 5)")
    parser.add_argument("--turns", type=int, default=2, metavar="N", help="measured runs (default: 2)")
    given = parser.parse_args()
    found: dict[int, dict[str, Figures]] = {}
    with tempfile.TemporaryDirectory() as name:
        for nodes in given.nodes:
            found[nodes] = {}
            for kind in KINDS:
                folder = Path(name, f"{kind.partition(' ')[0]}-{nodes}")
                found[nodes][kind] = measure(folder, kind, nodes, given.rounds, given.turns)
                print(f"{nodes} nodes, {kind}: {found[nodes][kind]}", file=sys.stderr, flush=True)
    return report(found, given.rounds)


HEADINGS = (
    "",
    "s a round",
    "slowest",
    "s to first",
    "digits s",
    "MB a node",
    "idle ms/s a node",
    "round to stock",
    "first to stock",
    "digits to stock",
    "MB to stock",
)


def report(found: dict[int, dict[str, Figures]], rounds: int) -> int:
    """Print the table and write the figures."""
    rows = [
        (
            f"{nodes} nodes, {kind}",
            f"{one.round:.2f}",
            f"{one.slowest:.2f}",
            f"{one.first:.2f}",
            f"{one.digits:.1f}",
            f"{one.node_mb:.0f}",
            f"{one.node_idle:.1f}",
            f"{one.round / kinds['stock'].round:.2f}",
            f"{one.first / kinds['stock'].first:.2f}",
            f"{one.digits / kinds['stock'].digits:.2f}",
            f"{one.node_mb / kinds['stock'].node_mb:.2f}",
        )
        for nodes, kinds in found.items()
        for kind, one in kinds.items()
    ]
    print(f"Runs of {rounds} rounds that compute nothing, and of examples/digits ({environment()})\n")
    print(table(HEADINGS, rows))
    nodes = {
        str(number): {name: asdict(one) for name, one in kinds.items()} for number, kinds in found.items()
    }
    write_results("rounds", {"rounds": rounds, "nodes": nodes})
    kinds = next(iter(found.values()))
    fast, stock = kinds["fast"], kinds["stock"]
    slow = fast.round > ROUND * stock.round or fast.first > FIRST * stock.first
    return 1 if slow or fast.node_mb > MEMORY * stock.node_mb else 0


if __name__ == "__main__":
    sys.exit(main())
