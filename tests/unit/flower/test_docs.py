"""The pages on submitting say what the programs say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from flowerbed.cli import main
from flowerbed.flower.app.run_config import Scalar, overrides
from flowerbed.flower.connection import Connection
from support.paths import ROOT

SUBMIT = (ROOT / "docs" / "how-to" / "submit.md").read_text(encoding="utf-8")
PROGRAM = (ROOT / "docs" / "reference" / "submit-py.md").read_text(encoding="utf-8")
CONNECTION = (ROOT / "docs" / "reference" / "connection-file.md").read_text(encoding="utf-8")


def help_of_submit() -> str:
    command = [sys.executable, str(ROOT / "scripts" / "submit.py"), "--help"]
    environment = {**os.environ, "COLUMNS": "110"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=True, env=environment
    ).stdout


def test_the_help_text_is_the_programs() -> None:
    """The help text in the page on `submit.py` is the one that `submit.py --help` prints."""
    [shown] = re.findall(r"<!-- help: begin -->\n```\n(.*)```\n<!-- help: end -->", PROGRAM, re.DOTALL)
    assert shown.split() == help_of_submit().split()  # Pythons break lines differently


def test_both_programs_have_the_same_flags(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`flowerbed submit` has the flags of `submit.py`, but a record of another form, and a few more."""
    monkeypatch.setenv("COLUMNS", "200")
    assert main.run(["submit", "--help"]) == 0
    flags = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    own = {"--file", "--user", "--local", "--nodes", "--with", "--records", "--plain"}
    assert flags == set(re.findall(r"--[a-z-]+", help_of_submit())) - {"--record"} | own


def test_the_connection_file_shown_is_one(tmp_path: Path) -> None:
    """The connection.toml of the page is read as it stands."""
    [text] = re.findall(r"```toml\n(.*?)```", CONNECTION, re.DOTALL)
    (tmp_path / "connection.toml").write_text(text)
    assert Connection.load(tmp_path / "connection.toml").host == "control.example.org"
    assert set(tomllib.loads(text)["superlink"]) == {
        name.replace("_", "-") for name in Connection.__dataclass_fields__ if name != "file"
    }


def test_the_settings_shown_are_taken() -> None:
    """Each example of `--set` does what the table says."""
    defaults: dict[str, Scalar] = {
        "mode": "",
        "tag": "",
        "note": "",
        "rounds": 1,
        "mask": 1,
        "rate": 0.5,
        "verbose": False,
    }
    [rows] = re.findall(r"\| default is .*?\n\n", SUBMIT, re.DOTALL)
    settings = re.findall(r"`([a-z]+=[^`]+)`", rows)
    assert len(settings) == 9
    values = [overrides(defaults, None, [setting]) for setting in settings]
    assert {"note": "two\nlines"} in values
    assert {"tag": "3"} in values
