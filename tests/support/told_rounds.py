"""A federation for apps that tell their rounds themselves: no strategy, no nodes; and two runs on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.apps import write_app
from support.loopback_federation import Federation, running, submit

SERVER = """\
import json
import time

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    print("config", json.dumps(dict(sorted(context.run_config.items()))))
    for number in range(1, int(context.run_config["ticks"]) + 1):
        print("metrics", json.dumps({"round": number, "accuracy": 1 - 0.5 ** number}), flush=True)
        time.sleep(float(context.run_config["pause"]))
    if context.run_config["ending"] != "well":
        raise RuntimeError(context.run_config["ending"])
"""


@pytest.fixture(scope="session")
def told_federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Give a SuperLink behind its gateway; no test may end a part of it."""
    with running(tmp_path_factory.mktemp("told")) as federation:
        yield federation


@pytest.fixture(scope="session")
def told_app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the app."""
    return write_app(tmp_path_factory.mktemp("told-app"), {"tiny/server.py": SERVER})


@pytest.fixture(scope="session")
def told_runs(told_federation: Federation, told_app: Path) -> list[str]:
    """Return the ids of a run of three rounds that completed, and of a later one that failed."""
    quick = ("--set", "pause=0", "--set", "ticks=3")
    first = submit(told_federation, told_app, *quick, "--set", "ending=well")
    second = submit(told_federation, told_app, *quick, "--set", "ending=no <data>")
    assert (first[0], second[0]) == (0, 1)
    return [first[1].split()[0], second[1].split()[0]]
