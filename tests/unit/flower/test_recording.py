"""`submit.py --record`: what it leaves, what it does when it cannot, and files in a log as lines."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from flowerbed.errors import UsageError
from flowerbed.flower.app.app import App
from flowerbed.flower.artifacts import shown
from flowerbed.flower.recording import FolderRecord
from flowerbed.flower.runs import Outcome
from flowerbed.flower.source.request import Source
from flowerbed.runs.records.capturing import handed_in

APP = App(title="t/a 1.0", fab=b"", files={}, defaults={"rounds": 3, "rate": 0.1})
DONE = Outcome(run_id="12", status="completed", reason="", exit_code=0)


def artifact(name: str, data: bytes, part: int = 1, parts: int = 1) -> str:
    told = {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "part": part, "parts": parts}
    return f"INFO :      artifact {json.dumps(told | {'data': base64.b64encode(data).decode()})}\n"


def test_a_record_is_handed_over_whole(tmp_path: Path) -> None:
    """Submission, log, good files and outcome lie in the run's folder, for its owner alone."""
    said: list[str] = []
    record = FolderRecord(tmp_path / "new" / "runs", said.append)
    record.started(12, APP, Source(kind="git", location="https://x/y", commit="ab"), {"rate": 0.2})
    with record:
        record.hear("hello\n" + artifact("a.txt", b"A"))
        record.hear(artifact("../b.txt", b"B"))
    record.end(DONE)
    folder = tmp_path / "new" / "runs" / "12"
    assert sorted(path.name for path in folder.iterdir()) == [
        "app.fab",
        "artifacts",
        "log.txt",
        "outcome.json",
        "submission.json",
    ]
    assert [path.read_bytes() for path in (folder / "artifacts").iterdir()] == [b"A"]
    assert (folder / "log.txt").read_text().startswith("hello\n")
    assert {path.stat().st_mode & 0o077 for path in [folder, *folder.rglob("*")]} == {0}
    assert "its name is not a plain file name" in said[0]
    submitted = handed_in(folder.parent, "12")
    assert submitted is not None
    assert submitted.source is not None
    assert (submitted.source.commit, submitted.config) == ("ab", {"rounds": 3, "rate": 0.2})
    (folder / "submission.json").write_text("{")
    with pytest.raises(UsageError, match=r"not what submit\.py leaves"):
        handed_in(folder.parent, "12")


def test_no_run_no_record(tmp_path: Path) -> None:
    """An attempt that started nothing leaves an empty folder, and a folder that cannot be is told at once."""
    FolderRecord(tmp_path / "runs", print).end(DONE)
    assert not list((tmp_path / "runs").iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="--record"):
        FolderRecord(tmp_path / "file" / "runs", print)


def test_what_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    """A link or a folder in the way: a warning, and the run goes on without a record."""
    said: list[str] = []
    record = FolderRecord(tmp_path, said.append)
    (tmp_path / "12" / "log.txt").mkdir(parents=True)
    record.started(12, APP, Source(kind="folder", location="x"), {})
    record.hear("hello\n")
    record.end(DONE)
    [warning] = said
    assert warning.startswith("warning: no record of the run: ")


def test_files_in_a_log_are_a_line_each() -> None:
    """Parts beyond the first vanish, other lines stay, a hostile name is not shown."""
    log = "one\n" + artifact("m.npz", b"x", 1, 2) + "two\n" + artifact("m.npz", b"y", 2, 2) + "artifact {3\n"
    assert shown(log) == "one\nfile m.npz (2 parts)\ntwo\nartifact {3\n"
    assert shown(artifact("\x1b]0;x", b"x")) == "file (refused) (1 part)\n"
