"""`flowerbed runs label`: name, tags and note changed in the record, also where there was none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowerbed.cli.main import run as flowerbed
from flowerbed.flower.connection import Connection
from flowerbed.runs.records.capturing import capture
from flowerbed.runs.records.store import load
from support import report_runs
from support.record_folders import keep

RUN, OTHER = "5311000000000000001", "5312000000000000002"
ROOT = Path("runs")


@pytest.fixture(autouse=True)
def _records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keep(ROOT, RUN, name="first", tags=("a", "b"), note="old")


def labelled(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[str, list[str], str]:
    assert flowerbed(["runs", "label", RUN, "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    record = load(ROOT, RUN)
    assert record
    assert (record.name, list(record.tags), record.note) == (found["name"], found["tags"], found["note"])
    return found["name"], found["tags"], found["note"]


def test_labels_are_changed(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not given stays; a tag is added once; an empty text removes a label."""
    assert labelled(capsys) == ("first", ["a", "b"], "old")
    assert labelled(capsys, "--name", "best", "--tag", "c", "--tag", "a") == ("best", ["a", "b", "c"], "old")
    assert labelled(capsys, "--untag", "b", "--note", "new") == ("best", ["a", "c"], "new")
    assert labelled(capsys, "--name", "", "--note", "") == ("", ["a", "c"], "")
    assert flowerbed(["runs", "label", RUN]) == 0
    assert capsys.readouterr().out == "name:\ntags: a c\nnote:\n"


def test_the_list_and_other_commands_follow(capsys: pytest.CaptureFixture[str]) -> None:
    """The new name means the run at once, the former one no longer does."""
    labelled(capsys, "--name", "best")
    assert flowerbed(["runs", "--where", "name=best", "--json"]) == 0
    assert RUN in capsys.readouterr().out
    assert flowerbed(["stop", "best"]) == 0
    assert flowerbed(["stop", "first"]) == 2


def test_a_name_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """It is a warning, as `submit` takes it as well."""
    keep(ROOT, OTHER)
    assert flowerbed(["runs", "label", OTHER, "--name", "first"]) == 0
    assert "another run is named 'first' too" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--name", "latest"], "cannot be the name"),
        (["--tag", "no words"], "cannot be the tag"),
        ([word for at in range(49) for word in ("--tag", f"t{at}")], "51 tags"),
    ],
)
def test_labels_that_cannot_be(options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """They are refused as by `submit`, and the record stays as it was."""
    before = (ROOT / RUN / "record.json").read_bytes()
    assert flowerbed(["runs", "label", RUN, *options]) == 2
    assert words in capsys.readouterr().err
    assert (ROOT / RUN / "record.json").read_bytes() == before


def test_a_run_without_a_record(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It gets one from the SuperLink; a follower that completes it later keeps the labels."""
    going = report_runs.record(run_id=OTHER, status="running", sub_status="", finished_at="")
    ended = report_runs.record(run_id=OTHER)
    states = [(going, ""), (ended, report_runs.log("digits-completed"))]
    monkeypatch.setattr("flowerbed.runs.control.run_and_log", lambda *_: states.pop(0))
    monkeypatch.setattr("flowerbed.runs.control.list_nodes", lambda *_: [])
    Path("away.toml").write_text('[superlink]\naddress = "127.0.0.1:1"\ninsecure = true\n')
    options = ["--connection", "away.toml", "--name", "late", "--tag", "x"]
    assert flowerbed(["runs", "label", OTHER, *options]) == 0
    assert capsys.readouterr().out == "name: late\ntags: x\nnote:\n"
    record = capture(Connection(address="127.0.0.1:1", insecure=True), OTHER, ROOT)
    assert (record.name, record.tags, record.complete) == ("late", ("x",), True)
