"""Verbs that need no SuperLink for a run with a complete record, also where no federation is declared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowerbed.cli.main import run as flowerbed
from flowerbed.runs.records.store import save
from support import report_runs
from support.record_folders import keep, record

RUN, LOST = "5311000000000000001", "5312000000000000002"


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with the record of a run and no declaration."""
    monkeypatch.chdir(tmp_path)
    log = report_runs.log("digits-completed")
    save(tmp_path / "runs", record(RUN, name="first"), log, [])
    return tmp_path / "runs"


def failed(root: Path) -> None:
    keep(root, LOST, status="finished", sub_status="failed", details="ValueError: no data")


def test_logs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The log comes from the record; with --follow, the exit code too."""
    assert flowerbed(["logs", "first"]) == 0
    assert "[ROUND 3/3]" in capsys.readouterr().out
    failed(root)
    assert flowerbed(["logs", LOST]) == 0
    assert flowerbed(["logs", LOST, "--follow"]) == 1
    assert f"run {LOST}: failed: ValueError: no data" in capsys.readouterr().err


def test_attach(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Id, log, outcome and its JSON are those of following the run."""
    assert flowerbed(["attach", RUN, "--json", "--outcome", str(tmp_path / "outcome.json")]) == 0
    output, errors = capsys.readouterr()
    assert output.splitlines()[0] == RUN
    told = json.loads(output.splitlines()[-1])
    assert (told["status"], told["exit_code"], told["replies"]["missing"]) == ("completed", 0, 0)
    assert json.loads((tmp_path / "outcome.json").read_text()) == told
    assert "[ROUND 3/3]" in errors
    failed(root)
    assert flowerbed(["attach", LOST]) == 1
    assert f"run {LOST}: failed: ValueError: no data" in capsys.readouterr().err


def test_replies_count_in_a_record_too(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--min-replies is asked of the record's log."""
    log = report_runs.log("digits-completed").replace(
        "Received 4 results and 0", "Received 3 results and 1", 1
    )
    save(root, record(LOST), log, [])
    assert flowerbed(["attach", LOST, "--json"]) == 0
    assert "1 of 12 replies of nodes failed" in capsys.readouterr().err
    assert flowerbed(["attach", LOST, "--require-all-replies"]) == 1


def test_stop(capsys: pytest.CaptureFixture[str]) -> None:
    """A run that has ended is not stopped, which is no error."""
    assert flowerbed(["stop", "first"]) == 0
    assert capsys.readouterr().out == f"run {RUN} had finished before: completed\n"


def test_a_run_without_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    """The federation that is missing is named."""
    assert flowerbed(["logs", "1234567890123456789"]) == 2
    assert "federation.yaml" in capsys.readouterr().err
