"""A run that was stopped: what it computes at its nodes ends too, and the nodes are free for another one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support.apps import PYPROJECT, write_app
from support.local_federation import HOSPITALS, declare, foreground, run, until, until_online

SERVER = """\
import os
from pathlib import Path

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import ServerApp

app = ServerApp()


@app.main()
def main(grid, context):
    Path(context.run_config["pids"], f"server-{os.getpid()}").touch()
    nodes = sorted(grid.get_node_ids())
    ways = dict(zip(nodes, str(context.run_config["ways"]).split(), strict=True))
    asked = [
        Message(RecordDict({"way": ConfigRecord({"way": way})}), dst_node_id=node, message_type="query")
        for node, way in ways.items()
    ]
    for answer in grid.send_and_receive(asked, timeout=600):
        print("answered:", answer.content["said"]["way"], flush=True)
"""
CLIENT = """\
import os
import signal
import time
from pathlib import Path

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    slow()


def slow():
    end = time.monotonic() + 600
    while time.monotonic() < end:
        time.sleep(1)


@app.query()
def query(message, context):
    way = message.content["way"]["way"]
    Path(context.run_config["pids"], f"{way}-{os.getpid()}").touch()
    {"slow": slow, "stubborn": stubborn, "quick": lambda: time.sleep(8)}[way]()
    return Message(RecordDict({"said": ConfigRecord({"way": way})}), reply_to=message)
"""
FILES = {
    "pyproject.toml": PYPROJECT + '\npids = "."\nways = "slow stubborn"\n',
    "tiny/server.py": SERVER,
    "tiny/client.py": CLIENT,
}
SOON = (
    30.0  # seconds within which all must have ended, on a busy machine: 4 to hear of it, 4 more, 10 of grace
)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the declaration of a federation that is up, one node with each isolation."""
    file = declare(tmp_path_factory.mktemp("stopped"), HOSPITALS)
    with foreground(file) as process:
        until_online(file, process)
        yield file


def started(federation: Path, folder: Path, ways: str) -> tuple[str, Path]:
    """Start a run; return its id and the folder of its processes' ids once all of them compute."""
    pids = folder / "pids"
    pids.mkdir()
    app = write_app(folder / "app", FILES)
    config = ("--set", f'pids="{pids}"', "--set", f'ways="{ways}"')
    run_id = run("submit", app, "-f", federation, "--detach", *config).stdout.split()[0]
    until(lambda: len(list(pids.iterdir())) == 3, 120, "all processes of the run")
    return run_id, pids


def alive(pids: Path) -> list[str]:
    """Return the processes of a run that are still there."""
    found = []
    for file in pids.iterdir():
        with suppress(ProcessLookupError):
            os.kill(int(file.name.rpartition("-")[2]), 0)
            found.append(file.name)
    return found


@pytest.mark.parametrize("ways", ["slow stubborn", "stubborn slow"])
def test_what_computes_ends_with_its_run(federation: Path, tmp_path: Path, ways: str) -> None:
    """A slow ClientApp and one that hears no signal are gone soon, whoever started them."""
    run_id, pids = started(federation, tmp_path, ways)
    assert len(alive(pids)) == 3
    assert run("stop", run_id, "-f", federation).returncode == 0
    until(lambda: not alive(pids), SOON, "the end of all that the stopped run computed")


def test_a_run_that_goes_on_is_left_alone(federation: Path, tmp_path: Path) -> None:
    """Its ClientApps compute for longer than it takes to hear of a stop; the nodes are free at once."""
    run_id, _ = started(federation, tmp_path, "quick quick")
    done = run("attach", run_id, "-f", federation, "--json")
    assert json.loads(done.stdout.splitlines()[-1])["status"] == "completed"
    assert done.stderr.count("answered: quick") == 2
