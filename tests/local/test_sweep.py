"""`flowerbed sweep` on a real federation: killed in between, resumed by the same command, nothing twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from flowerbed.local import throwaway
from flowerbed.runs import list_runs, load_connection
from flowerbed.runs.records.index import listing
from support.apps import write_app
from support.loopback_federation import LIMIT

SERVER = """\
import json
import time
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    Path("model.txt").write_text(f"{config['rate']} {config['seed']}")
    for number in range(1, int(config["ticks"]) + 1):
        time.sleep(float(config["pause"]))
        loss = abs(float(config["rate"]) - 0.1) + int(config["seed"]) / 100
        print("metrics", json.dumps({"round": number, "loss": loss}))
"""
GRID = ["--set", "rate=0.1,0.5", "--set", "seed=1..3", "--parallel", "2", "--best", "loss:min"]


def app(folder: Path) -> Path:
    made = write_app(folder, {"tiny/server.py": SERVER})
    project = made / "pyproject.toml"
    text = project.read_text().replace('ending = "well"\n', "rate = 0.3\nseed = 1\n")
    project.write_text(text)
    return made


def sweep(folder: Path, *options: str, grid: list[str] = GRID) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "flowerbed", "sweep", "app", *grid, "--name", "grid", *options]
    return subprocess.Popen(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=LIMIT)
    return process.returncode, output, errors


def state(folder: Path) -> list[dict[str, object]]:
    try:
        points: list[dict[str, object]] = json.loads((folder / "runs" / "sweep-grid.json").read_text())[
            "points"
        ]
    except FileNotFoundError:
        return []
    return points


def wait_for(folder: Path, count: int) -> None:
    end = time.monotonic() + LIMIT
    while sum(point["exit_code"] is not None for point in state(folder)) < count:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_killed_interrupted_and_resumed(tmp_path: Path) -> None:
    """Six runs, two at a time; SIGKILL and then SIGTERM in between; each combination has run once."""
    app(tmp_path / "app")
    with throwaway.throwaway(1) as federation:
        file = federation.connection()
        options = ["--connection", str(file)]
        first = sweep(tmp_path, *options)
        wait_for(tmp_path, 1)
        first.send_signal(signal.SIGKILL)
        ended(first)
        second = sweep(tmp_path, *options, "--on-interrupt", "leave")
        wait_for(tmp_path, 3)
        second.send_signal(signal.SIGTERM)
        code, _, errors = ended(second)
        assert code == 130, errors
        assert "resumed: " in errors
        assert "the same command resumes grid" in errors
        code, output, errors = ended(sweep(tmp_path, *options, "--json"))
        assert code == 0, errors
        told = json.loads(output)
        runs = list_runs(load_connection(file), 50)
        # Nothing was asked for again.
        code, output, errors = ended(sweep(tmp_path, *options))
        assert code == 0, errors
        assert "all 6 runs of grid have ended before" in errors
        assert len(list_runs(load_connection(file), 50)) == 6
    assert {run.run_id for run in runs} == {run["run_id"] for run in told["runs"]}
    assert [run.outcome for run in runs] == ["completed"] * 6
    assert len({(run.overrides["rate"], run.overrides["seed"]) for run in runs}) == 6
    assert told["best"] == told["runs"][0]["run_id"]
    assert told["runs"][0]["settings"] == ["rate=0.1", "seed=1"]
    assert output.splitlines()[-1].startswith(
        "best: grid-1 (rate=0.1, seed=1): server.loss 0.0100 in round 4"
    )
    entries = listing(tmp_path / "runs").entries
    assert sorted(entry.name for entry in entries) == [f"grid-{at}" for at in range(1, 7)]
    assert all(entry.complete and entry.tags == ("grid",) for entry in entries)
    # Six models, none touched by another run.
    models = {run.run_id: tmp_path / "runs" / run.run_id / "artifacts" / "model.txt" for run in runs}
    assert {run: model.read_text() for run, model in models.items()} == {
        run.run_id: f"{run.overrides['rate']} {run.overrides['seed']}" for run in runs
    }
    # At no time were there more than two.
    times = [(run.pending_at, 1) for run in runs] + [(run.finished_at, -1) for run in runs]
    under_way = [sum(step for _, step in sorted(times)[: at + 1]) for at in range(len(times))]
    assert max(under_way) <= 2


def test_a_federation_of_its_own(tmp_path: Path) -> None:
    """With --local an interruption stops what is under way; resumed, it runs again in another federation."""
    app(tmp_path / "app")
    options = ["--local", "--nodes", "1"]
    grid = ["--set", "seed=1..2", "--set", "pause=1", "--set", "ticks=2"]
    first = sweep(tmp_path, *options, grid=grid)
    wait_for(tmp_path, 1)
    while not state(tmp_path)[1]["run_id"]:
        time.sleep(0.1)
    first.send_signal(signal.SIGTERM)
    code, _, errors = ended(first)
    assert code == 130
    assert "interrupted; stopped: " in errors
    code, output, errors = ended(sweep(tmp_path, *options, "--json", grid=grid))
    assert code == 0, errors
    entries = listing(tmp_path / "runs").entries
    outcomes = sorted((entry.name, entry.run.outcome) for entry in entries)
    assert outcomes == [("", "stopped"), ("grid-1", "completed"), ("grid-2", "completed")]
    assert [run["status"] for run in json.loads(output)["runs"]] == ["completed"] * 2
