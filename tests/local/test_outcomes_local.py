"""The ends of `submit --local`: what becomes of the run is said and on record, and nothing else is left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from flowerbed.runs.records.store import load
from support.apps import write_app
from support.local_federation import GONE, LIMIT, flowerbed, until
from support.outcome_app import FILES


def belonging_to(folder: Path) -> list[str]:
    """Return the command lines of processes that a folder's path is in."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found += [words] * (str(folder) in words)
    return found


@pytest.mark.parametrize("moment", ["the SuperLink answers", "is running"], ids=["coming up", "running"])
def test_an_interrupt_of_the_terminal(hello: Path, tmp_path: Path, moment: str) -> None:
    """The whole group hears it, as from a terminal: exit code 130, nothing left, and the run stopped."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = flowerbed(
        "submit", hello, "--local", "--nodes", "1", "--json", "--set", "seconds=600", "--records", tmp_path
    )
    with (tmp_path / "said").open("w") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "TMPDIR": str(temporary)},
            start_new_session=True,
        )
    said = (tmp_path / "said").read_text
    try:
        until(lambda: moment in said() or process.poll() is not None, LIMIT, moment)
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, said()
    assert "Traceback" not in said()
    until(lambda: not belonging_to(temporary), GONE, f"{belonging_to(temporary)} ended")
    assert not list(temporary.iterdir())
    if moment == "the SuperLink answers":
        assert "interrupted; no run was started" in said()
        assert json.loads(output)["status"] == "not-started"
    else:
        run_id, outcome = output.splitlines()[0], json.loads(output.splitlines()[-1])
        assert outcome["status"] == "stopped"
        assert outcome["reason"] == "interrupted; the run was stopped"
        record = load(tmp_path, run_id)
        assert record is not None
        assert (record.complete, record.run.outcome) == (True, "stopped")


def test_an_app_that_waits_for_more_nodes(tmp_path: Path) -> None:
    """That is said before the limit; then the run is stopped, and the command does not wait for the rest."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    app = write_app(tmp_path / "app", FILES)
    limits = ("--local", "--nodes", "1", "--timeout", "15s", "--records", tmp_path / "runs", "--json")
    process = subprocess.Popen(
        flowerbed("submit", app, *limits, "--set", "rounds=1", "--set", "ticks=0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    assert process.stdout is not None
    with process.stdout:
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("{"):
                begin = time.monotonic()
    assert process.wait(LIMIT) == 5, said
    waited = time.monotonic() - begin
    text, outcome = "".join(said), json.loads(next(line for line in said if line.startswith("{")))
    reason = "not finished after 15 s: it waits for 2 nodes, 1 is online; the run was stopped"
    assert (outcome["status"], outcome["reason"]) == ("stopped", reason)
    assert text.index("waits for 2 nodes, 1 is online\n") < text.index("not finished after")
    assert text.count("Waiting for nodes to connect: 1 connected") == 1
    assert "flowerbed stop" not in text
    assert "taking down the local federation, in the background" in text
    record = load(tmp_path / "runs", outcome["run_id"])
    assert record is not None
    assert (record.complete, record.run.outcome) == (True, "stopped")
    assert "more time" in text
    log = (tmp_path / "runs" / outcome["run_id"] / "log.txt").read_text()
    assert log.count("Waiting for nodes to connect: 1 connected") > 1
    assert waited < 4
    until(lambda: not belonging_to(temporary), GONE, "the federation ended")
    assert not list(temporary.iterdir())
