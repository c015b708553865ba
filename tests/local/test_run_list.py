"""`flowerbed runs`, its filters and its comparison, and what reports need no SuperLink for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowerbed.cli.main import run as flowerbed
from flowerbed.runs import RunFilter, find_runs
from flowerbed.runs.client import Federation as Client
from support.loopback_federation import Federation
from support.report_html import shown_by_chromium


@pytest.fixture
def federation(told_federation: Federation) -> Federation:
    return told_federation


@pytest.fixture
def ids(told_runs: list[str]) -> list[str]:
    """Return the ids of a run that completed and of a later one that failed; there are others."""
    return told_runs


def call(federation: Federation, *arguments: str) -> int:
    return flowerbed([*arguments, "--connection", str(federation.connection_file())])


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], [1, 0]),
        (["--status", "failed"], [1]),
        (["--status", "failed", "--status", "completed"], [1, 0]),
        (["--status", "running"], []),
        (["--app", "tiny"], [1, 0]),
        (["--app", "flowerbed/tiny"], [1, 0]),
        (["--app", "tin"], []),
        (["--since", "1h"], [1, 0]),
        (["--since", "0s"], []),
        (["--since", "2026-01-31T08:00"], [1, 0]),
    ],
)
def test_runs_are_filtered(
    federation: Federation,
    ids: list[str],
    options: list[str],
    found: list[int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By how they ended, their app, their time: newest first, as text and for programs."""
    assert call(federation, "runs", *options, "--json") == 0
    listed = [run["run_id"] for run in json.loads(capsys.readouterr().out)]
    assert [run for run in listed if run in ids] == [ids[at] for at in found]
    assert call(federation, "runs", *options) == 0
    output, errors = capsys.readouterr()
    assert [line.split()[0] for line in output.splitlines()[1:]] == listed
    assert errors == ("" if listed else "no such runs\n")


def test_older_pages_are_read(
    federation: Federation, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wanted run that is not on the first page is found on a later one; none is told twice."""
    monkeypatch.setattr("flowerbed.runs.control.PAGE", 1)
    found = [run.run_id for run in find_runs(federation.connection(), RunFilter(), 100)]
    assert len(set(found)) == len(found)
    assert [run for run in found if run in ids] == ids[::-1]
    assert [run.run_id for run in find_runs(federation.connection(), RunFilter(), 1)] == found[:1]


@pytest.mark.parametrize("arguments", [["--since", "yesterday"], ["--status", "lost"], ["compare", "1"]])
def test_wrong_wishes_are_2(
    federation: Federation, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A time that is none, an unknown status, a comparison of one run."""
    assert call(federation, "runs", *arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_runs_are_compared(
    federation: Federation, ids: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Table, JSON and one page with both curves in a real browser; afterwards without a SuperLink."""
    page, records = tmp_path / "both.html", str(tmp_path / "records")
    assert call(federation, "runs", "compare", *ids, "-o", str(page), "--records", records) == 0
    output = capsys.readouterr().out
    assert output.startswith("RUN  ")
    assert "no <data>" in output
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text('[superlink]\naddress = "127.0.0.1:1"\ninsecure = true\n')
    away = ["--connection", str(elsewhere), "--records", records]
    assert flowerbed(["runs", "compare", *ids, "--json", *away]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["differences"] == {"ending": ["well", "no <data>"]}
    assert [run["run"]["sub_status"] for run in found["runs"]] == ["completed", "failed"]
    [figure] = found["figures"]
    assert figure["runs"] == [{"1": 0.5, "2": 0.75, "3": 0.875}] * 2
    assert flowerbed(["report", ids[1], *away]) == 0
    assert f"run {ids[1]}: failed" in capsys.readouterr().out
    assert flowerbed(["report", "12345", *away]) == 3  # positive control: nobody answers there
    shown = shown_by_chromium(page, tmp_path / "profile")
    assert "<title>2 runs compared</title>" in shown
    assert shown.count('<path d="M') >= 2
    assert "no &lt;data&gt;" in shown


def test_what_was_set_is_known_of_runs_without_a_record(
    federation: Federation, ids: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The SuperLink knows it: the list, the report, the comparison and Python have it."""
    nowhere = ["--records", str(tmp_path / "runs")]
    assert call(federation, "runs", "--json", *nowhere) == 0
    listed = {run["run_id"]: run for run in json.loads(capsys.readouterr().out)}
    given = {"ending": "well", "pause": 0.0, "ticks": 3}
    assert (listed[ids[0]]["overrides"], listed[ids[0]]["remarks"]) == (given, [])
    assert call(federation, "runs", *nowhere) == 0
    assert "ending=well, pause=0.0, ticks=3" in capsys.readouterr().out
    assert call(federation, "report", ids[0], *nowhere) == 0
    assert "set: ending=well, pause=0.0, ticks=3" in capsys.readouterr().out
    assert call(federation, "runs", "compare", *ids, *nowhere) == 0
    assert "ending" in capsys.readouterr().out
    run = Client(federation.connection()).run(ids[0])
    assert run.overrides == given
    assert given.items() <= run.config.items()
