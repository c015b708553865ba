"""Following a run while SuperLink, gateway or SuperExec are not there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowerbed import runs
from flowerbed.errors import UnreachableError
from flowerbed.flower import follow as flower_follow
from flowerbed.flower.options import FollowOptions
from flowerbed.runs.records.capturing import capture
from flowerbed.runs.records.store import load
from support.loopback_federation import Federation, Submission, last_word, running, submit, ticks


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running(tmp_path_factory.mktemp("federation"), direct=True) as federation:
        yield federation


@pytest.mark.parametrize("part", ["superlink", "gateway"])
def test_a_part_that_comes_back(federation: Federation, app: Path, part: str) -> None:
    """SuperLink or gateway killed and started again: the run completes, no line is lost or doubled."""
    submission = Submission(federation, app, "--json", "--set", "ticks=40")
    submission.await_line("tick 3")
    federation.kill(part)
    submission.await_line("trying again for up to 300 s")
    {"superlink": federation.start_superlink, "gateway": federation.start_gateway}[part]()
    code, output, errors = submission.end()
    assert (code, json.loads(output.splitlines()[-1])["status"]) == (0, "completed")
    # What a ServerApp says while the SuperLink starts may never get there (flwr 1.41).
    kept = ticks(runs.read_log(federation.connection(), output.splitlines()[0]))
    assert ticks(errors) == kept
    assert kept == list(range(40)) or part == "superlink"
    assert errors.count("trying again") == errors.count("the SuperLink answers again") == 1


def test_a_record_waits_for_its_superlink(federation: Federation, app: Path, tmp_path: Path) -> None:
    """Away while the record of a run is completed: whoever is patient gets it whole, nobody else does."""
    run_id = submit(federation, app)[1].strip()
    connection = federation.connection()
    federation.kill("superlink")
    with pytest.raises(UnreachableError):
        capture(connection, run_id, tmp_path)
    assert load(tmp_path, run_id) is None
    starting = threading.Timer(1.5, federation.start_superlink)
    starting.start()
    try:
        assert capture(connection, run_id, tmp_path, patient=True).complete
    finally:
        starting.join()


def test_a_part_that_stays_away(federation: Federation, app: Path) -> None:
    """Gone for longer than --unreachable-timeout: exit 3 with the run's id, and the run goes on."""
    submission = Submission(federation, app, "--set", "ticks=1000", "--unreachable-timeout", "2s", "--json")
    run_id = submission.run_id
    submission.await_line("tick 1")
    federation.kill("gateway")
    code, output, _ = submission.end()
    federation.start_gateway()
    federation.await_control()
    outcome = json.loads(output)
    assert (code, outcome["run_id"], outcome["status"]) == (3, run_id, "unknown")
    assert "for 2 s now" in outcome["reason"]
    assert last_word(federation, run_id) == "running"
    assert runs.stop(federation.connection(), run_id)


def test_a_superlink_that_lost_its_runs(federation: Federation, app: Path) -> None:
    """A SuperLink that comes back without its database no longer knows the run: exit 1, and why."""
    submission = Submission(federation, app, "--set", "ticks=1000", "--json")
    submission.await_line("tick 1")
    federation.kill("superlink")
    for file in federation.folder.glob("state.db*"):
        file.unlink()
    federation.start_superlink()
    code, output, _ = submission.end()
    outcome = json.loads(output.splitlines()[-1])
    assert (code, outcome["status"]) == (1, "unknown")
    assert "no longer knows the run" in outcome["reason"]


def test_a_run_that_nobody_takes(federation: Federation, app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that stays pending gets a word on where to look, once; following it can be ended by time."""
    federation.kill("superexec")  # so this test is the last one
    monkeypatch.setattr(flower_follow, "PATIENCE", 1.0)
    run_id = submit(federation, app, "--detach")[1].strip()
    said: list[str] = []
    outcome = runs.follow(
        federation.connection(), run_id, FollowOptions(say=said.append, log=said.append, timeout=3)
    )
    assert (outcome.exit_code, outcome.status) == (5, "pending")
    assert said[0] == f"run {run_id} is pending"
    assert said[1:] == [
        f"run {run_id} has been pending for 1 s: no SuperExec starts its ServerApp; "
        "look at the log of the federation's SuperExec"
    ]
