"""docs/reference/python.md, run as it stands against a real federation; what a notebook shows."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from flowerbed import Federation as Client
from flowerbed.local import Federation
from support.local_federation import run as command_line
from support.python_docs import APP, DOCUMENT, PYPROJECT, Rows


def test_the_document_runs_as_it_stands(
    hospitals: Federation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each block does what it says, one after the other; afterwards a notebook shows federation and run."""
    (tmp_path / "federation.yaml").symlink_to(hospitals.file)
    (tmp_path / ".flowerbed").symlink_to(hospitals.file.parent / ".flowerbed")
    (tmp_path / "my-app").mkdir()
    (tmp_path / "my-app" / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "my-app" / "told.py").write_text(APP)
    repository(tmp_path / "my-app", tmp_path / "my-app.git")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    told = []
    for number, block in enumerate(blocks):
        exec(compile(block, f"{DOCUMENT.name}, block {number + 1}", "exec"), names)
        told.append(capsys.readouterr().out)
    assert told[0] == "completed {'accuracy': 0.875, '<b>': 3}\n"
    run = names["run"]
    lines = told[1].splitlines()
    assert f"{run.run_id} tests/told completed" in lines  # type: ignore[attr-defined]
    assert lines[-1] == "['hospitals-north-0', 'hospitals-west-0']"
    assert told[2].startswith("2 no-such-app: no such app")
    assert told[3] == "0 completed\ncompleted True\n"
    assert names["nightly"].record.fab_id == "tests/told"  # type: ignore[attr-defined]
    assert (tmp_path / "model.txt").read_bytes() == b"hi"
    assert "0.8750" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "2 runs compared" in (tmp_path / "compared.html").read_text(encoding="utf-8")
    check_notebook(names["hospitals"], run)  # type: ignore[arg-type]
    check_raw_log(run.run_id)  # type: ignore[attr-defined]
    shutil.rmtree(tmp_path / "my-app")


def repository(app: Path, bare: Path) -> None:
    """Make a bare repository of an app."""
    copy = shutil.copytree(app, bare.with_suffix(".work"))
    git = ["git", "-C", str(copy), "-c", "user.name=tester", "-c", "user.email=tester@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "app"]):
        subprocess.run([*git, *arguments], check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(copy), str(bare)], check=True)


def check_raw_log(run_id: str) -> None:
    """The lines that carry files are told of in one word; --raw prints them as the app did."""
    shown, raw = (command_line("logs", run_id, *options) for options in ((), ("--raw",)))
    assert (shown.returncode, raw.returncode) == (0, 0)
    assert "aGk=" not in shown.stdout
    assert "model.txt" in shown.stdout
    assert '"data": "aGk="' in raw.stdout


def check_notebook(hospitals: Client, run: object) -> None:
    """Both are tables, with names from the app escaped, and their plain form shows no secret."""
    shown = Rows(run._repr_html_())  # type: ignore[attr-defined]
    assert ["status", "completed"] in shown.rows
    assert ["round", "accuracy (server)", "<b> (server)", "answers"] in shown.rows
    assert ["3", "0.8750", "3"] in [row[:3] for row in shown.rows]
    assert shown.tags == {"table", "caption", "tr", "th", "td", "p", "svg", "title", "text", "path"}
    listed = Rows(hospitals._repr_html_())
    assert listed.rows[0] == [f"Federation at {hospitals.connection.address}"]
    assert [run.run_id, "completed"] in listed.rows  # type: ignore[attr-defined]
    assert "PRIVATE KEY" not in repr(hospitals) + repr(run)
