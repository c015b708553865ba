"""Fast execution, the default, and stock: same results, new random numbers in each task, faults as before."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.apps import PYPROJECT, write_app
from support.local_federation import (
    HOSPITALS,
    declare,
    foreground,
    health,
    processes,
    run,
    until,
    until_gone,
    until_online,
)
from support.paths import ROOT

SERVER = """\
import hashlib
import json
import random

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.serverapp import ServerApp

app = ServerApp()


@app.main()
def main(grid, context):
    config = context.run_config
    model = np.random.default_rng(7).normal(size=(64, 64))
    drawn = [[random.random(), float(np.random.rand())]]
    listed = []
    for number in range(int(config["rounds"])):
        nodes = sorted(grid.get_node_ids())
        content = {"model": ArrayRecord([model]), "way": ConfigRecord({"way": config["way"]})}
        asked = [Message(RecordDict(content), dst_node_id=node, message_type="train") for node in nodes]
        replies = list(grid.send_and_receive(asked, timeout=200))
        good = [one for one in replies if not one.has_error()]
        good.sort(key=lambda one: one.content["own"]["site"])
        for one in replies:
            print("reply:", one.error.reason if one.has_error() else "good", flush=True)
        if good:
            model = np.mean([one.content["model"].to_numpy_ndarrays()[0] for one in good], axis=0)
        drawn += [list(one.content["own"]["drawn"]) for one in good]
        listed += [one.content["own"]["listed"] for one in good]
    print("result:", json.dumps([hashlib.sha256(model.tobytes()).hexdigest(), drawn, listed]), flush=True)
"""
CLIENT = """\
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message, context):
    site = str(context.node_config.get("site", "machine"))
    drawn = [random.random(), float(np.random.rand())]
    way = message.content["way"]["way"]
    if way != "well":
        Path(way, f"{site[:1]}-{os.getpid()}").touch()
        while not Path(way, "go").exists():
            time.sleep(0.1)
    model = message.content["model"].to_numpy_ndarrays()[0]
    np.random.seed(len(site))
    for _ in range(20):
        model = np.tanh(model @ np.random.rand(64, 64) / 8)
    listed = Path("/proc/self/cmdline").read_text().replace(chr(0), " ")
    own = ConfigRecord({"site": site, "drawn": drawn, "listed": listed})
    return Message(RecordDict({"model": ArrayRecord([model]), "own": own}), reply_to=message)
"""
# A program's Python that has a second thread from its start cannot be forked.
BUSY = """\
import sys
import threading

if any("flower-superexec" in word or "flower-supernode" in word for word in sys.orig_argv):
    threading.Thread(target=threading.Event().wait, name="busy", daemon=True).start()
"""
FILES = {
    "pyproject.toml": PYPROJECT + '\nrounds = 2\nway = "well"\n',
    "tiny/server.py": SERVER,
    "tiny/client.py": CLIENT,
}


@contextmanager
def federation(folder: Path, words: str) -> Iterator[Path]:
    """Yield the declaration of a federation that is up, one node with each isolation."""
    file = declare(folder, HOSPITALS + words)
    with foreground(file) as process:
        until_online(file, process)
        yield file


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a fast federation, with a library preloaded."""
    with federation(tmp_path_factory.mktemp("fast"), "preload: [numpy.fft]\n") as file:
        yield file


def result(file: Path, app: Path, *settings: str) -> tuple[str, list[list[float]], list[str]]:
    """Submit an app and return the hash of its model, what all its tasks drew, and how they are listed."""
    done = run("submit", app, "-f", file, *(word for one in settings for word in ("--set", one)), limit=300)
    assert done.returncode == 0, done.stderr
    [text] = re.findall(r"result: (.*)", done.stderr)
    digest, drawn, listed = json.loads(text)
    return digest, drawn, listed


REFUSED = "ApiError:1008"  # a token that is no longer one


def refusals(file: Path) -> list[str]:
    """Return what SuperLink and SuperNodes refused their own processes, by their logs (flwr 1.41)."""
    logs = (file.parent / ".flowerbed" / "hospitals" / "logs").glob("*.log")
    return [line for log in logs for line in log.read_text(errors="replace").splitlines() if REFUSED in line]


def test_fast_and_stock_have_the_same_result(fast: Path, tmp_path: Path) -> None:
    """Bit for bit; what is not seeded differs in every task; no token is listed where it is forked."""
    app = write_app(tmp_path / "app", FILES)
    digest, drawn, listed = result(fast, app)
    assert len(drawn) == 5
    assert len({number for pair in drawn for number in pair}) == 10
    assert len(listed) == 4
    assert not [line for line in listed if "--token" in line or "flwr-clientapp" not in line]
    assert refusals(fast) == []
    assert [text for text in health(fast).warnings if "Flower's own way" in text] == []
    with federation(tmp_path / "stock", "execution: stock\n") as file:
        other, drawn, listed = result(file, app)
        assert [text for text in health(file).warnings if "Flower's own way" in text] == []
        assert refusals(file) == []
    assert other == digest
    assert len({number for pair in drawn for number in pair}) == 10
    assert len([line for line in listed if "--token" in line]) == 4


TWO = """\
version: 1
name: two
flower: "1.41"
tenants: [{name: north, nodes: 2}]
users: [{name: sam, role: submitter}]
"""


def test_an_example_has_the_same_metrics(tmp_path: Path) -> None:
    """Every metric of every round and node of examples/digits, whose seed is fixed, bit for bit."""
    found = {}
    for execution in ("fast", "stock"):
        file = declare(tmp_path / execution, f"{TWO}execution: {execution}\n")
        with foreground(file) as process:
            until_online(file, process)
            done = run("submit", ROOT / "examples" / "digits", "-f", file, limit=300)
        assert done.returncode == 0, done.stderr
        metrics = [json.loads(text) for text in re.findall(r"metrics (\{.*\})", done.stderr)]
        found[execution] = [{**one, "node": ""} for one in metrics]  # its id is that of its key
    assert len(found["fast"]) == 10
    assert found["fast"] == found["stock"]


def parents(pids: Path) -> dict[str, int]:
    """Return what has forked the ClientApps that compute, by the first letter of their site."""
    until(lambda: len(list(pids.iterdir())) == 2, 120, "both ClientApps")
    found = {}
    for file in pids.iterdir():
        stat = Path("/proc", file.name[2:], "stat").read_text().rpartition(")")[2].split()
        found[file.name[0]] = int(stat[1])
    return found


def test_a_fork_server_that_is_killed_is_told_and_started_again(fast: Path, tmp_path: Path) -> None:
    """Its ClientApp ends with it, as one that is killed; the other node replies; the next run has both."""
    app = write_app(tmp_path / "app", FILES)
    pids = tmp_path / "pids"
    pids.mkdir()
    settings = ("--set", f'way="{pids}"', "--set", "rounds=1")
    run_id = run("submit", app, "-f", fast, "--detach", *settings).stdout.split()[0]
    os.kill(parents(pids)["w"], 9)
    (pids / "go").touch()
    done = run("attach", run_id, "-f", fast, limit=300)
    replies = sorted(re.findall(r"reply: (.*)", done.stderr))
    assert replies == ["good", "the process of the ClientApp was ended by SIGKILL (as when memory runs out)"]
    digest, _, listed = result(fast, app)
    assert len(digest) == 64
    assert len(listed) == 4
    assert [text for text in health(fast).warnings if "Flower's own way" in text] == []


def test_nothing_is_left_of_a_fast_federation(tmp_path: Path) -> None:
    """No fork server outlives it, though it ignores SIGTERM."""
    with federation(tmp_path, "") as file:
        assert len(processes(file)) > 5
        assert run("down", file).returncode == 0
        until_gone(file)


def test_flowers_own_way_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its reason, by `up` and `submit --local`, and in `status`; runs complete all the same."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(BUSY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    app = write_app(tmp_path / "app", FILES)
    reason = "a process with more than one thread cannot be forked (busy)"
    with federation(tmp_path / "up", "") as file:
        digest, _, listed = result(file, app)
        assert len(digest) == 64
        assert len([line for line in listed if "--token" in line]) == 4
        until(lambda: reason in " ".join(health(file).warnings), 10, "the reason")
        [said] = [text for text in health(file).warnings if reason in text]
        assert said.startswith(
            "ServerApps, ClientApps of hospitals-north-0, ClientApps of hospitals-west-0: "
        )
        log = (tmp_path / "up" / "up.log").read_text()
        assert len(re.findall(rf"note: .*{re.escape(reason)}", log)) == 1, log
    done = run("submit", app, "--local", "--nodes", "1", "--records", tmp_path / "runs", limit=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(reason) == 1, done.stderr
    assert f": their processes are started in Flower's own way, which is slower: {reason}" in done.stderr
