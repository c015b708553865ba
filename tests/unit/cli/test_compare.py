"""`flowerbed runs compare`: any number of runs, chosen as `flowerbed runs` does, sorted, quickly."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from flowerbed.cli.main import run as flowerbed
from support.record_folders import keep

COUNT = 300
SECONDS = 20.0  # many times what it takes, for a busy machine


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def records(count: int) -> None:
    for at in range(count):
        going = {"status": "running", "sub_status": "", "finished_at": ""} if at == 1 else {}
        keep(
            Path("runs"), f"{10**18 + at}", name=f"sweep-{at}", tags=("even",) if at % 2 == 0 else (),
            config={"lr": (count - at) / 10}, complete=at != 1, **going,
        )  # fmt: skip


def names(capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    assert flowerbed(["runs", "compare", "--json", *options]) == 0
    return [run["name"] for run in json.loads(capsys.readouterr().out)["runs"]]


def test_some_hundred(capsys: pytest.CaptureFixture[str]) -> None:
    """A line each, in the order asked for, within seconds; the page has them all."""
    records(COUNT)
    began = time.monotonic()
    options = ["--where", "name=sweep-*", "--sort", "lr", "-o", "all.html", "--recorded"]
    assert flowerbed(["runs", "compare", *options]) == 0
    assert time.monotonic() - began < SECONDS
    output, errors = capsys.readouterr()
    lines = output.splitlines()
    assert [line.split()[1] for line in lines[1:COUNT]] == [f"sweep-{at}" for at in range(COUNT - 1, 0, -1)]
    assert "the first 8 of 300 runs" in errors
    assert Path("all.html").read_text().count("sweep-") == COUNT


def test_choices(capsys: pytest.CaptureFixture[str]) -> None:
    """By filters, or by names; each in the order of --sort."""
    records(6)
    assert names(capsys, "--where", "tag=even") == ["sweep-4", "sweep-2", "sweep-0"]
    assert names(capsys, "--where", "tag=even", "--sort", "lr:max", "--limit", "2") == ["sweep-0", "sweep-2"]
    assert names(capsys, "sweep-0", "sweep-2", "sweep-4", "--sort", "lr") == ["sweep-4", "sweep-2", "sweep-0"]
    assert names(capsys, "--app", "digits", "--status", "running", "--status", "completed")[0] == "sweep-5"


def test_a_record_that_was_left(capsys: pytest.CaptureFixture[str]) -> None:
    """It is compared as it is where no SuperLink is asked, and marked."""
    records(4)
    assert flowerbed(["runs", "compare", "--where", "name=sweep-*"]) == 0
    assert "running*" in capsys.readouterr().out
    assert flowerbed(["runs", "compare", "sweep-0", "sweep-1", "--recorded"]) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "no runs to compare"),
        (["sweep-0"], "one run to compare"),
        (["--where", "name=x"], "no run to compare"),
        (["sweep-0", "sweep-2", "--where", "lr=1"], "both RUNs and filters are given"),
        (["sweep-0", "sweep-2", "--sort", "los"], "no run has 'los'"),
        ([f"{10**18}", "9999999999999999999", "--recorded"], "there is no record of run 9999999999999999999"),
    ],
)
def test_what_cannot_be_compared(options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal says what to give."""
    records(3)
    assert flowerbed(["runs", "compare", *options]) == 2
    assert words in capsys.readouterr().err
