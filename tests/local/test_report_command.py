"""`flowerbed report` against a real SuperLink behind the real gateway."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from flowerbed import runs
from flowerbed.cli.main import run as flowerbed
from support.loopback_federation import LIMIT, Federation, Submission


@pytest.fixture
def federation(told_federation: Federation) -> Federation:
    return told_federation


@pytest.fixture
def app(told_app: Path) -> Path:
    return told_app


@pytest.fixture
def failed_run(told_runs: list[str]) -> str:
    """Return the id of a run of three rounds that failed in the end."""
    return told_runs[1]


def report(federation: Federation, *arguments: str, user: str = "analyst") -> int:
    records = str(federation.folder / "records" / user)
    connection = str(federation.connection_file(user))
    return flowerbed(["report", *arguments, "--connection", connection, "--records", records])


def test_table_and_page_of_a_run(
    federation: Federation, failed_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table goes to stdout, the page to its file; both give reason and figures; the exit code is 0."""
    page = tmp_path / "run.html"
    assert report(federation, failed_run, "-o", str(page)) == 0
    output, errors = capsys.readouterr()
    assert output.startswith(f"run {failed_run}: failed\n")
    assert "no <data>" in output
    assert re.findall(r"^ +(\d) +(0\.\d+)$", output, re.MULTILINE) == [
        ("1", "0.5000"), ("2", "0.7500"), ("3", "0.8750")
    ]  # fmt: skip
    assert errors == f"written: {page}\n"
    text = page.read_text()
    assert "no &lt;data&gt;" in text
    assert "no <data>" not in text
    assert "<td>0.8750</td>" in text
    assert report(federation, failed_run, "-o", str(page)) == 0
    assert page.read_text() == text


def test_the_report_for_programs(
    federation: Federation, failed_run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """--json gives the whole report as one document; a viewer may have it, too."""
    assert report(federation, failed_run, "--json", user="guest") == 0
    found = json.loads(capsys.readouterr().out)
    record = runs.get_run(federation.connection(), failed_run)
    assert found["run"]["run_id"] == failed_run
    assert (found["run"]["sub_status"], found["run"]["fab_hash"]) == ("failed", record.fab_hash)
    assert [entry["server"]["accuracy"] for entry in found["metrics"]["rounds"]] == [0.5, 0.75, 0.875]
    assert found["metrics"]["config"] == {"ending": "no <data>", "pause": 0.0, "ticks": 3}
    assert [stage["stage"] for stage in found["stages"]] == ["pending", "starting", "running"]


def test_a_run_that_is_still_running(
    federation: Federation, app: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report in the middle shows the rounds so far."""
    submission = Submission(
        federation, app, "--set", "pause=0.5", "--set", "ticks=200", "--on-interrupt", "stop"
    )
    try:
        run_id, limit, output = submission.run_id, time.monotonic() + LIMIT, ""
        while "0.7500" not in output:
            assert time.monotonic() < limit, output
            assert report(federation, run_id) == 0
            output = capsys.readouterr().out
        assert f"run {run_id}: running" in output
        assert "running until now" in output
    finally:
        submission.process.terminate()
        submission.end()


@pytest.mark.parametrize(
    ("run_id", "user", "code", "words"),
    [
        ("12345", "analyst", 2, "no run has the id 12345"),
        ("1234567890123456789", "analyst", 2, "Run ID not found"),
        ("nothing", "analyst", 2, "no recorded run is named 'nothing'"),
        ("12345", "stranger", 3, "refused"),
    ],
)
def test_reports_that_cannot_be(
    federation: Federation, capsys: pytest.CaptureFixture[str], run_id: str, user: str, code: int, words: str
) -> None:
    """An unknown run, no run id, a user who is not listed: one message, and its exit code."""
    assert report(federation, run_id, user=user) == code
    output, errors = capsys.readouterr()
    assert output == ""
    assert words in errors
    assert "Traceback" not in errors


def test_a_page_that_cannot_be_written(
    federation: Federation, failed_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is not there is named; nothing is printed as if all were well."""
    page = tmp_path / "missing" / "run.html"
    assert report(federation, failed_run, "-o", str(page)) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    assert str(page) in errors
    assert not page.parent.exists()
