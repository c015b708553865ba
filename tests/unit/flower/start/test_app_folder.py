"""What a run's working folder gives out, what stays, which folders go, and what is brought into one."""

from __future__ import annotations

import io
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from flowerbed.errors import UsageError
from flowerbed.flower import artifacts as flower_artifacts
from flowerbed.flower import resume as flower_resume
from flowerbed.flower.app.app import load
from flowerbed.flower.artifacts import artifacts, shown
from flowerbed.flower.start import app_folder
from support.apps import write_app


def test_writer_and_reader_agree() -> None:
    """The same names and limits on both sides: app_folder.py lies alone in a pod."""
    assert app_folder.PLACE.pattern == flower_artifacts.NAME.pattern
    assert (app_folder.SIZE_LIMIT, app_folder.COUNT_LIMIT) == (
        flower_artifacts.SIZE_LIMIT,
        flower_artifacts.COUNT_LIMIT,
    )
    assert app_folder.LISTED_LIMIT < flower_artifacts.LISTED_LIMIT


def test_files_come_back_as_they_were(tmp_path: Path) -> None:
    """Bytes, empty files, files in directories; what is next to them before what is deeper."""
    files = {"z.bin": bytes(range(256)) * 300, "empty": b"", "a/b/c.txt": b"deep"}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    log = "".join(app_folder.lines(tmp_path))
    assert {one.name: one.data for one in artifacts(log)} == files
    assert log.index("z.bin") < log.index("a/b/c.txt")
    assert shown(log) == "file empty (1 part)\nfile z.bin (3 parts)\nfile a/b/c.txt (1 part)\n"


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    """A file beyond the limit is told with its size, and the smaller ones after it still come."""
    with (tmp_path / "big.bin").open("wb") as file:
        file.truncate(app_folder.SIZE_LIMIT + 1)
    (tmp_path / "small.txt").write_text("small")
    (tmp_path / "no plain name").write_text("x")
    found = {one.name: one for one in artifacts("".join(app_folder.lines(tmp_path)))}
    assert found["small.txt"].data == b"small"
    assert (found["big.bin"].data, found["big.bin"].size) == (None, app_folder.SIZE_LIMIT + 1)
    assert "more than 8,388,608 bytes" in found["big.bin"].problem
    assert found["no plain name"].problem == "its name is not a plain file name"


def test_a_thousand_files_are_not_a_thousand_lines(tmp_path: Path) -> None:
    """Beyond the count that is given and the count that is named, one line says how many there are."""
    for number in range(1000):
        (tmp_path / f"{number:04}").write_text("x")
    lines = list(app_folder.lines(tmp_path))
    assert len(lines) == app_folder.COUNT_LIMIT + app_folder.LISTED_LIMIT + 1
    assert "850 more files" in lines[-1]


def test_links_pipes_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    """No link leads out of the folder, and nothing blocks."""
    (tmp_path / "run").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "run" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "run" / "linked").symlink_to(tmp_path)
    (tmp_path / "run" / ".cache").mkdir()
    (tmp_path / "run" / ".cache" / "x").write_text("x")
    (tmp_path / "run" / "__pycache__").mkdir()
    (tmp_path / "run" / "__pycache__" / "x.pyc").write_text("x")
    os.mkfifo(tmp_path / "run" / "pipe")
    (tmp_path / "run" / "mine").write_text("mine")
    assert [one.name for one in artifacts("".join(app_folder.lines(tmp_path / "run")))] == ["mine"]


def test_old_folders_go_and_held_ones_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest stay within number and size; one that a process holds stays whatever its age."""
    _, held = app_folder.taken(tmp_path, "0")
    for number in range(30):
        folder = tmp_path / str(number)
        folder.mkdir(exist_ok=True)
        (folder / "file").write_bytes(bytes(400_000))
        os.utime(folder, (number, number))
    app_folder.tidy(tmp_path)
    left = {int(path.name) for path in tmp_path.iterdir()}
    assert left == {0, *range(30 - app_folder.KEPT, 30)}
    monkeypatch.setenv(app_folder.MEGABYTES, "2")
    app_folder.tidy(tmp_path)
    assert {int(path.name) for path in tmp_path.iterdir()} == {0, *range(25, 30)}
    os.close(held)


def test_what_a_stranger_left_stops_no_other_run(tmp_path: Path) -> None:
    """Directories deeper than Python goes and thousands of files are looked at within bounds."""
    root = Path.cwd()
    try:
        for number in range(25):
            (tmp_path / str(number)).mkdir()
            os.utime(tmp_path / str(number), (number, number))
        os.chdir(tmp_path / "0")
        for _ in range(1500):
            Path("d").mkdir()
            os.chdir("d")
        Path("deep").write_text("x")
    finally:
        os.chdir(root)
    os.utime(tmp_path / "0", (0, 0))
    app_folder.tidy(tmp_path)
    assert {int(path.name) for path in tmp_path.iterdir()} <= {0, *range(5, 25)}
    assert list(app_folder.lines(tmp_path / "0")) == []
    subprocess.run(["rm", "-r", tmp_path / "0"], check=False)  # pytest's own cleaning recurses as well


def test_a_limit_that_is_no_number_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The app runs all the same, where its SuperExec runs."""
    from flwr.supercore.task_identity import TaskIdentity

    monkeypatch.setenv(app_folder.MEGABYTES, "lots")
    monkeypatch.setenv(app_folder.FOLDERS, str(tmp_path / "runs"))
    monkeypatch.setattr(TaskIdentity, "_run_id", 7)
    before = Path.cwd()
    (tmp_path / "runs").mkdir()
    app_folder.enter("flwr-serverapp", None)
    assert Path.cwd() == before
    assert "no working directory for this run alone: invalid literal" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('artifact {"name": "a", "size": -1, "problem": "x"}', ""),
        ('artifact {"name": "a", "size": true, "problem": "x"}', ""),
        ('artifact {"name": ["a"], "size": 1, "problem": "x"}', ""),
        ('artifact {"name": "a", "size": 1, "problem": ""}', "it is not in the log"),
    ],
)
def test_a_stranger_writes_such_lines_too(lines: str, problem: str) -> None:
    """What makes no sense is passed over."""
    assert [one.problem for one in artifacts(lines)] == ([problem] if problem else [])


def test_a_name_that_is_a_directory_too() -> None:
    """Both cannot be written: the file is refused, what is below it is not."""
    log = "\n".join(
        f'artifact {{"name": "{name}", "sha256": "{sha256}", "part": 1, "parts": 1, "data": ""}}'
        for name in ("a", "a/b")
        for sha256 in ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
    )
    found = {one.name: one for one in artifacts(log)}
    assert (found["a"].data, found["a/b"].data) == (None, b"")
    assert "directory" in found["a"].problem


def fab(entries: dict[str, bytes]) -> bytes:
    """Return a FAB with these entries."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return made.getvalue()


def test_files_of_an_earlier_run_are_brought(tmp_path: Path) -> None:
    """Those of the submitter, into the run's folder; nothing else of the FAB."""
    app_folder.bring(
        fab({"app/server.py": b"x", ".flowerbed/files/a.bin": b"\0", ".flowerbed/files/out/b.txt": b"b"}),
        tmp_path,
    )
    found = {
        file.relative_to(tmp_path).as_posix(): file.read_bytes()
        for file in tmp_path.rglob("*")
        if file.is_file()
    }
    assert found == {"a.bin": b"\0", "out/b.txt": b"b"}
    assert flower_resume.FILES == app_folder.FILES_IN_FAB


@pytest.mark.parametrize(
    ("name", "size", "problem"),
    [
        ("../outside", 1, "is not a plain file name"),
        ("/etc/passwd", 1, "is not a plain file name"),
        (".hidden", 1, "is not a plain file name"),
        ("large.bin", app_folder.SIZE_LIMIT + 1, "more than 8,388,608 bytes"),
    ],
)
def test_strange_files_are_not_brought(tmp_path: Path, name: str, size: int, problem: str) -> None:
    """Anybody can make a FAB."""
    inside = tmp_path / "run"
    inside.mkdir()
    with pytest.raises(ValueError, match=problem):
        app_folder.bring(fab({f".flowerbed/files/{name}": bytes(size)}), inside)
    assert list(tmp_path.rglob("*")) == [inside]


def test_an_app_carries_files(tmp_path: Path) -> None:
    """They come out of its FAB as they went in, and its manifest lists them; too many are refused."""
    app = load(write_app(tmp_path / "app"))
    carrying = flower_resume.resuming(app, {"out/model.npz": b"\1\2", "state.json": b"{}"})
    assert carrying.hash != app.hash
    app_folder.bring(carrying.fab, tmp_path)
    assert (tmp_path / "out/model.npz").read_bytes() == b"\1\2"
    with zipfile.ZipFile(io.BytesIO(carrying.fab)) as archive:
        assert b".flowerbed/files/out/model.npz," in archive.read(".info/CONTENT")
    assert flower_resume.resuming(app, {}) is app
    with pytest.raises(UsageError, match="Flower takes 10,485,760"):
        flower_resume.resuming(app, {"a": bytes(11_000_000)})
