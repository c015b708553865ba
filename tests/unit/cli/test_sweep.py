"""`flowerbed sweep` before anything is sent: what is refused, and what `--dry-run` lists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowerbed.cli.main import run as flowerbed
from support.apps import write_app


@pytest.fixture(autouse=True)
def _app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_app(tmp_path / "app")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "no values to try"),
        (["--set", "ticks=1,2"], "no federation.yaml in this directory"),
        (["--local", "--set", "tick=1,2"], "did you mean 'ticks'?"),
        (["--local", "--set", "ticks=1,x", "--set", "pause="], "a value is empty"),
        (["--local", "--set", "ticks=1,x", "--set", "pause=y"], "pause must be a number"),
        (["--local", "--set", "ticks=1..2000"], "2,000 values"),
        (["--local", "--set", "ticks=1,2", "--user", "you"], "no --user"),
        (["--local", "--set", "ticks=1,2", "--name", "two words"], "cannot be the name"),
        (["--local", "--set", "ticks=1,2", "--timeout", "soon"], "is not a duration"),
    ],
)
def test_what_is_refused(options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is started, and no state is left."""
    assert flowerbed(["sweep", "app", *options]) == 2
    assert words in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_dry_run(capsys: pytest.CaptureFixture[str]) -> None:
    """It lists the runs by the names that they will have, the same each time, and needs no federation."""
    command = ["sweep", "app", "--set", "ticks=1..2", "--set", "ending=well,ill", "--dry-run"]
    assert flowerbed([*command, "--name", "grid"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "grid-1: ticks=1, ending=well",
        "grid-2: ticks=1, ending=ill",
        "grid-3: ticks=2, ending=well",
        "grid-4: ticks=2, ending=ill",
    ]
    assert flowerbed(command) == 0
    first = capsys.readouterr().out
    assert first.startswith("tiny-")
    assert flowerbed([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert first.startswith(f"{told['sweep']}-1: ")
    assert told["runs"][3]["settings"] == ["ticks=2", "ending=ill"]
    assert not Path("runs").exists()
