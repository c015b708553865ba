"""Ctrl-C under `submit --local`: the run is stopped and on record, and nothing else is left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from local_helpers import GONE, LIMIT, flowerbed, until

from flowerbed.records import load


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
    if moment == "is running":
        run_id, outcome = output.splitlines()[0], json.loads(output.splitlines()[-1])
        assert outcome["status"] == "stopped"
        assert outcome["reason"] == "interrupted; the run was stopped"
        record = load(tmp_path, run_id)
        assert record is not None
        assert (record.complete, record.run.outcome) == (True, "stopped")
