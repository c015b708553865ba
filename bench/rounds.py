"""Seconds a round of an app that computes nothing: `execution: fast` beside `execution: stock`.

    python bench/rounds.py [--nodes 2 4] [--rounds N] [--turns N]

A local federation with its gateway comes up for each execution in turn, and runs the app once unmeasured
and then `turns` times. Also taken: submit to the first round, and the memory of an idle node (PSS).
Meant to hold with 2 nodes: a round at most 1/6 of stock's, submit to the first round at most 1/2.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from measure import BenchError, environment, table, write_results

EXECUTIONS = ("stock", "fast")
ROUND, FIRST = 1 / 6, 1 / 2
LIMIT = 600.0  # seconds for a verb
QUIET = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
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
    """Medians of one execution: seconds of a round and until the first one, MB (10^6 bytes) of a node."""

    round: float
    slowest: float
    first: float
    node_mb: float


def flowerbed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a verb to its end. Raises BenchError."""
    command = [sys.executable, "-m", "flowerbed", *words]
    done = subprocess.run(
        command, cwd=folder, env=QUIET, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    if done.returncode:
        raise BenchError(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done


def measure(folder: Path, execution: str, nodes: int, rounds: int, turns: int) -> Figures:
    """Bring a federation up, run the app, take it down. Raises BenchError."""
    folder.mkdir()
    for name, text in APP.items():
        (folder / "app" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "app" / name).write_text(text)
    (folder / "federation.yaml").write_text(DECLARATION.format(execution=execution, nodes=nodes))
    seconds, first = [], []
    try:
        flowerbed(folder, "up", "--detach", "--timeout", "300")
        for turn in range(turns + 1):
            began = time.time()
            done = flowerbed(folder, "submit", "app", "--set", f"rounds={rounds}", "--set", f"nodes={nodes}")
            if not (found := re.search(r"times: (\[.*\])", done.stderr)):
                raise BenchError(f"the app printed no times:\n{done.stderr[-2000:]}")
            times = json.loads(found[1])
            if turn:
                first.append(times[0] - began)
                seconds += [after - before for before, after in pairwise(times)]
        memory = node_memory(folder)
    finally:
        flowerbed(folder, "down")
    return Figures(statistics.median(seconds), max(seconds), statistics.median(first), memory)


def node_memory(folder: Path) -> float:
    """Return the MB of one node, the mean of all: proportional set sizes of its processes."""
    found = json.loads(flowerbed(folder, "status", "--local", "--json").stdout)
    names = {node["name"] for node in found["nodes"]}
    pids = [part["pid"] for part in found["parts"] if part["name"] in names]
    return sum(map(pss, pids)) / len(pids)


def pss(pid: int) -> float:
    """Return the MB of a process and all that it started."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    [own] = re.findall(r"^Pss: +(\d+) kB$", text, re.MULTILINE)
    children = [
        int(child)
        for thread in Path(f"/proc/{pid}/task").iterdir()
        for child in (thread / "children").read_text().split()
    ]
    return int(own) * 1024 / 1e6 + sum(map(pss, children))


def main() -> int:
    """Measure, print, write; 1 if the figures for the fewest nodes are not those that are meant to hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[2, 4], metavar="N", help="(default: 2 4)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds of a run (default: 5)")
    parser.add_argument("--turns", type=int, default=2, metavar="N", help="measured runs (default: 2)")
    given = parser.parse_args()
    found: dict[int, dict[str, Figures]] = {}
    with tempfile.TemporaryDirectory() as name:
        for nodes in given.nodes:
            found[nodes] = {
                execution: measure(
                    Path(name, f"{execution}-{nodes}"), execution, nodes, given.rounds, given.turns
                )
                for execution in EXECUTIONS
            }
    return report(found, given.rounds)


def report(found: dict[int, dict[str, Figures]], rounds: int) -> int:
    """Print the table and write the figures."""
    rows = [
        (
            f"{nodes} nodes, {execution}",
            f"{one.round:.2f}",
            f"{one.slowest:.2f}",
            f"{one.first:.2f}",
            f"{one.node_mb:.0f}",
            f"{one.round / both['stock'].round:.2f}",
            f"{one.first / both['stock'].first:.2f}",
        )
        for nodes, both in found.items()
        for execution, one in both.items()
    ]
    headings = ("", "s a round", "slowest", "s to first", "MB a node", "round to stock", "first to stock")
    print(f"Runs of {rounds} rounds that compute nothing ({environment()})\n")
    print(table(headings, rows))
    nodes = {str(number): {name: asdict(one) for name, one in both.items()} for number, both in found.items()}
    write_results("rounds", {"rounds": rounds, "nodes": nodes})
    both = next(iter(found.values()))
    fast, stock = both["fast"], both["stock"]
    return 1 if fast.round > ROUND * stock.round or fast.first > FIRST * stock.first else 0


if __name__ == "__main__":
    sys.exit(main())
