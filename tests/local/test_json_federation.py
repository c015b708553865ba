"""The form of what each verb prints with `--json`, here of those that need a federation."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.json_shapes import assert_shape
from support.local_federation import ONE_NODE, declare, run

PYPROJECT = """\
[project]
name = "small"
version = "1.0.0"
[tool.flwr.app]
publisher = "tests"
[tool.flwr.app.components]
serverapp = "small:server"
clientapp = "small:client"
[tool.flwr.app.config]
rate = 0.5
label = "none"
"""
# One round that a node replies to, figures, the run config and a file: all that a run can have.
APP = """\
import json
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

server, client = ServerApp(), ClientApp()


@server.main()
def main(grid, context):
    print("config", json.dumps(dict(context.run_config)))
    arrays = ArrayRecord({"mean": Array(np.zeros(1))})
    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=1, min_available_nodes=1)
    strategy.start(grid, arrays, num_rounds=1, timeout=60)
    print("metrics", json.dumps({"round": 1, "loss": context.run_config["rate"]}), flush=True)
    Path("model.txt").write_text("model")


@client.train()
def train(message, context):
    metrics = MetricRecord({"num-examples": 1, "loss": 0.5})
    return Message(RecordDict({"arrays": message.content["arrays"], "metrics": metrics}), reply_to=message)
"""
PRINTED = (
    "up", "status.local", "submit", "retry", "sweep", "attach", "stop", "runs", "runs-compare", "runs-label",
    "report", "artifacts", "backup", "restore",
)  # fmt: skip
Documents = dict[str, list[object]]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Documents]:
    """Return what each verb printed, by the name of its snapshot."""
    file = declare(tmp_path_factory.mktemp("shapes"), ONE_NODE.format(name="shapes"))
    app = file.parent / "app"
    app.mkdir()
    (app / "pyproject.toml").write_text(PYPROJECT)
    (app / "small.py").write_text(APP)
    try:
        yield _printed(file, app)
    finally:
        run("down", file)


def _printed(file: Path, app: Path) -> Documents:
    found: Documents = defaultdict(list)

    def add(name: str, *words: object, code: int = 0) -> None:
        done = run(*words, "--json", "-f", file)
        assert done.returncode == code, done.stderr
        # The outcome of a run is on the last line, below its id.
        text = done.stdout.splitlines()[-1] if done.stdout[:1].isdigit() else done.stdout
        found[name].append(json.loads(text))

    def submitted(name: str, *words: object) -> str:
        add(name, *words)
        return str(found[name][-1]["run_id"])  # type: ignore[index]

    add("up", "up", "--detach")
    add("status.local", "status")
    first = submitted("submit", "submit", app, "--set", "rate=0.25", "--name", "first", "--tag", "one")
    second = submitted("retry", "retry", first)
    grid = ("sweep", app, "--set", "rate=0.5", "--set", "label=a", "--best", "loss")
    add("sweep", *grid, "--dry-run")
    add("sweep", *grid)
    add("attach", "attach", first)
    add("stop", "stop", first)
    add("runs", "runs")
    add("runs", "runs", "--recorded")
    add("runs-compare", "runs", "compare", first, second)
    add("runs-label", "runs", "label", first, "--note", "kept")
    add("report", "report", first)
    add("artifacts", "artifacts", first)
    backup = file.parent / "shapes.backup.tar.gz"
    add("backup", "backup", "-o", backup)
    assert run("down", file).returncode == 0
    add("status.local", "status", "--local", code=1)
    add("restore", "restore", backup, "--local", "--yes")
    return found


@pytest.mark.parametrize("name", PRINTED)
def test_the_form(name: str, documents: Documents) -> None:
    """It is as the snapshot says."""
    assert_shape(name, *documents[name])
