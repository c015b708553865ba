"""A local federation's state is copied while it works, lost, and put back, as docs/how-to/backups.md says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.local_federation import ONE_NODE, declare, health, run, state, until
from support.paths import ROOT
from support.terminal import Terminal

NO_WORKER = "No heartbeat received from the task"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """Return the declaration of a federation that is up."""
    file = declare(tmp_path, ONE_NODE.format(name="kept"))
    assert run("up", file, "--detach").returncode == 0
    yield file
    run("down", file)


def commands(folder: Path) -> dict[str, list[str]]:
    """Return the page's commands for a local federation by their verbs, with the file in a folder."""
    page = (ROOT / "docs" / "how-to" / "backups.md").read_text()
    block = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)[1]
    lines = [shlex.split(line, comments=True)[1:] for line in block.splitlines()]
    return {
        verb: [verb, *(str(folder / word) if "tar.gz" in word else word for word in words)]
        for verb, *words in lines
    }


def submit(file: Path, app: Path, *words: object) -> str:
    done = run("submit", app, "-f", file, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[0]


def status(file: Path, run_id: str) -> tuple[str, str]:
    found = {one["run_id"]: one for one in json.loads(run("runs", "-f", file, "--json").stdout)}
    return found[run_id]["sub_status"] or found[run_id]["status"], found[run_id]["details"]


def test_what_was_lost_is_put_back(file: Path, hello: Path, tmp_path: Path) -> None:
    """Nodes keep their ids and runs their logs; a run that nobody works on any more has failed."""
    verbs = commands(tmp_path)
    assert list(verbs) == ["backup", "down", "restore", "up"]
    done = submit(file, hello)
    going = submit(file, hello, "--set", "seconds=300.0", "--detach")
    until(lambda: status(file, going)[0] == "running", 60, "a run at work")
    nodes = [(node.name, node.node_id) for node in health(file).nodes]
    assert run(*verbs["backup"], "-f", file).returncode == 0
    assert status(file, going)[0] == "running"
    assert run(*verbs["restore"], "--yes", "-f", file).returncode == 1, "it runs"

    assert run(*verbs["down"], file).returncode == 0
    shutil.rmtree(state(file).path)
    assert answered(verbs["restore"], file, "n\n") == 130
    assert not state(file).database.exists()
    assert answered(verbs["restore"], file, "y\n") == 0
    assert run(*verbs["up"], file).returncode == 0

    assert [(node.name, node.node_id) for node in health(file).nodes] == nodes
    assert status(file, done) == ("completed", "")
    assert "answers:" in run("logs", done, "-f", file).stdout
    assert status(file, submit(file, hello))[0] == "completed"
    until(lambda: status(file, going) == ("failed", NO_WORKER), 120, "the end of the run that was going on")


def answered(restore: list[str], file: Path, answer: str) -> int | None:
    """Restore on a terminal and answer its question; return the exit code."""
    terminal = Terminal(*restore, "-f", file)
    terminal.until("end its active runs?")
    terminal.type(answer)
    terminal.end()
    return terminal.code
