"""Each app under examples/ trains in a real federation, and reaches what it says; the demo has digits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowerbed.flower.app.app import load
from flowerbed.local import Federation
from support.paths import ROOT

EXAMPLES = sorted(
    file.parent for file in ROOT.glob("examples/*/pyproject.toml") if file.parent.name != "digits"
)
LIMIT = 300.0  # seconds for all of them, on a busy machine
Ended = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def ended(hospitals: Federation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ended]]:
    """Submit all of them at once, and return how each ended."""
    command = [
        sys.executable,
        "-m",
        "flowerbed",
        "submit",
        "--json",
        "--connection",
        str(hospitals.connection("sam")),
    ]
    started = {
        app.name: subprocess.Popen(
            [*command, str(app)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path_factory.getbasetemp(),
        )
        for app in EXAMPLES
    }
    deadline = time.monotonic() + LIMIT
    try:
        found = {}
        for name, process in started.items():
            out, err = process.communicate(timeout=max(1.0, deadline - time.monotonic()))
            found[name] = subprocess.CompletedProcess(name, process.returncode, out, err)
        yield found
    finally:
        for process in started.values():
            with process:  # closes its pipes and waits for it
                process.kill()


@pytest.mark.parametrize("name", [app.name for app in EXAMPLES])
def test_an_example_trains(ended: dict[str, Ended], name: str) -> None:
    """The run completes, which each app's own standard decides."""
    done = ended[name]
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["status"] == "completed"


def test_they_learn_what_they_should(ended: dict[str, Ended]) -> None:
    """The mean of both nodes' rows, the hidden weights, a network that tells inside from outside."""
    mean = json.loads(re.findall(r"^mean (\[.*\])", ended["numpy-mean"].stderr, re.MULTILINE)[0])
    assert mean == pytest.approx([1, 2, 3], abs=0.25)
    weights = json.loads(re.findall(r"^weights (\[.*\])", ended["custom-loop"].stderr, re.MULTILINE)[0])
    assert weights == pytest.approx([2, -1, 0.5], abs=0.1)
    accuracy = float(re.findall(r"^accuracy ([0-9.]+)", ended["torch-shaped"].stderr, re.MULTILINE)[0])
    assert accuracy > 0.9


@pytest.mark.parametrize("app", EXAMPLES, ids=[app.name for app in EXAMPLES])
def test_an_example_needs_a_plain_image_only(app: Path) -> None:
    """It asks for no library beyond Flower's own, carries its code alone; its README names its command."""
    found = load(app)
    assert found.warnings == ()
    assert {Path(name).suffix for name in found.files} == {".py", ".toml"}
    assert f"flowerbed submit examples/{app.name}" in (app / "README.md").read_text()


def test_too_few_nodes_are_told_and_do_not_stop_a_run(hospitals: Federation, tmp_path: Path) -> None:
    """An app that waits for more nodes than are online is started, with a warning; otherwise with none."""
    command = [sys.executable, "-m", "flowerbed", "submit", str(ROOT / "examples" / "numpy-mean"), "--detach"]
    command += ["--connection", str(hospitals.connection("sam"))]
    said = {}
    for number in (2, 9):
        done = subprocess.run(
            [*command, "--set", f"min-nodes={number}"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=True,
        )
        said[number] = done.stderr
        stop = [sys.executable, "-m", "flowerbed", "stop", done.stdout.strip(), *command[-2:]]
        subprocess.run(stop, check=True, capture_output=True, cwd=tmp_path, env=dict(os.environ))
    assert "warning" not in said[2]
    assert "warning: the app waits for 9 nodes (min-nodes), 2 are online" in said[9]
