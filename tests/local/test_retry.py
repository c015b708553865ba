"""`flowerbed retry`: a run once more from its record, and one that goes on from the files of another."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.apps import PYPROJECT, write_app
from support.local_federation import HOSPITALS, declare, foreground, run, until_online

SERVER = """\
import json
from pathlib import Path

from flwr.serverapp import ServerApp

app = ServerApp()


@app.main()
def main(grid, context):
    state = Path("state/rounds.json")
    done = json.loads(state.read_text()) if state.exists() else []
    print("begins with", done, flush=True)
    state.parent.mkdir(exist_ok=True)
    for number in range(len(done), int(context.run_config["rounds"])):
        if number == context.run_config["breaks"]:
            raise RuntimeError(f"broken in round {number}")
        done.append(number)
        state.write_text(json.dumps(done))
        Path("weights.bin").write_bytes(bytes([number]) * 1000)
    print("ends with", done, flush=True)
"""


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the declaration of a federation that is up."""
    file = declare(tmp_path_factory.mktemp("retried"), HOSPITALS)
    with foreground(file) as process:
        until_online(file, process)
        yield file


def ended(*arguments: object) -> tuple[str, str, str]:
    """Run a verb that follows a run; return the run's id, its status, and all that was said."""
    done = run(*arguments, "--json")
    outcome = json.loads(done.stdout.splitlines()[-1])
    return outcome["run_id"], outcome["status"], done.stderr


def test_a_run_is_run_again_and_goes_on(federation: Path, tmp_path: Path) -> None:
    """From its record alone, with its settings, once from the beginning and once from its last round."""
    files = {"pyproject.toml": PYPROJECT + "\nrounds = 1\nbreaks = -1\n", "tiny/server.py": SERVER}
    app = write_app(tmp_path / "app", files)
    where = ("-f", federation)
    settings = ("--set", "rounds=5", "--set", "breaks=3", "--set", 'ending="a \\"word\\""')
    first, status, said = ended("submit", app, *where, *settings)
    assert status == "failed"
    assert "begins with []" in said
    shutil.rmtree(app)  # the record has the app
    retried, status, said = ended("retry", first, *where)
    assert (status, "begins with []" in said, "broken in round 3" in said) == ("failed", True, True)
    resumed, status, said = ended("retry", first, "--resume", *where, "--set", "breaks=-1")
    assert status == "completed", said
    assert f"files of run {first}: state/rounds.json, weights.bin" in said
    assert "begins with [0, 1, 2]" in said
    assert "ends with [0, 1, 2, 3, 4]" in said
    root = federation.parent / "runs"
    state = root / resumed / "artifacts" / "state" / "rounds.json"
    assert json.loads(state.read_text()) == [0, 1, 2, 3, 4]
    records = {one: json.loads((root / one / "record.json").read_text()) for one in (first, retried, resumed)}
    assert [record["note"] for record in records.values()] == [
        "",
        f"retry of run {first}",
        f"resumed from run {first}",
    ]
    assert records[retried]["overrides"] == records[first]["overrides"]
    assert records[retried]["overrides"]["ending"] == 'a "word"'
    assert records[resumed]["overrides"] == {**records[first]["overrides"], "breaks": -1}
    # The app in the record of a run that was resumed is the plain one, which can be run again.
    again, status, said = ended("retry", resumed, *where)
    assert (again not in records, "begins with []" in said) == (True, True)


def test_what_cannot_be_run_again_is_told(federation: Path, tmp_path: Path) -> None:
    """No record, and a run that goes on."""
    app = write_app(tmp_path / "app")
    where = ("-f", federation)
    done = run("retry", "12345678901234567890", *where)
    assert (done.returncode, "there is no record of run 12345678901234567890" in done.stderr) == (2, True)
    run_id = run("submit", app, *where, "--detach", "--set", "ticks=1000").stdout.split()[0]
    done = run("retry", run_id, "--resume", *where)
    assert (done.returncode, "is not complete, so files may be missing" in done.stderr) == (2, True)
    assert run("stop", run_id, *where).returncode == 0
