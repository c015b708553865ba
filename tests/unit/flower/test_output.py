"""What the submit program prints on each kind of console."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowerbed.cli.json_results import say_json
from support.apps import write_app
from support.paths import ROOT

PROGRAMS = {
    "flowerbed": [sys.executable, "-m", "flowerbed", "submit"],
    "submit.py": [sys.executable, str(ROOT / "scripts" / "submit.py")],
}


def previewed(program: str, app: Path, encoding: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(
        [*PROGRAMS[program], str(app), "--dry-run"], env=environment, capture_output=True, check=False
    )


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("encoding", ["ascii", "gbk", "utf-8"])
def test_every_console_gets_what_it_can_print(program: str, encoding: str, tmp_path: Path) -> None:
    """A directory's name that the console's encoding lacks is replaced, and no reason to fail."""
    app = write_app(tmp_path / "área ß")
    result = previewed(program, app, encoding)
    assert (result.returncode, result.stderr) == (0, b"")
    assert str(app).encode(encoding, "replace") in result.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_closed_output_is_nowhere(program: str, tmp_path: Path) -> None:
    """With stdout closed by the shell the exit code is the result."""
    app = write_app(tmp_path)
    script = 'exec "$@" >&-'
    command = ["sh", "-c", script, "sh", *PROGRAMS[program], str(app), "--dry-run"]
    result = subprocess.run(command, stderr=subprocess.PIPE, check=False)
    assert (result.returncode, result.stderr) == (0, b"")


def test_json_is_whole_on_every_console(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a document for programs nothing is replaced."""
    for encoding in ("ascii", "utf-8"):
        file = tmp_path / encoding
        with file.open("w", encoding=encoding, errors="replace") as output:
            monkeypatch.setattr(sys, "stdout", output)
            say_json({"path": "área ß"})
        assert json.loads(file.read_text(encoding="utf-8")) == {"path": "área ß"}
