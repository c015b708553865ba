"""Files are whole or absent, private ones stay private, and equal bytes are left alone."""

from __future__ import annotations

import multiprocessing
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowerbed import files
from flowerbed.errors import FlowerbedError
from support.nobody import read_as_nobody


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_new_file_has_its_bytes_and_mode(tmp_path: Path) -> None:
    """A private file is 0600, a public one 0644, and both say that they changed."""
    assert files.write_atomic(tmp_path / "key", b"secret", files.PRIVATE_MODE)
    assert files.write_atomic(tmp_path / "text", b"", files.PUBLIC_MODE)
    assert ((tmp_path / "key").read_bytes(), mode_of(tmp_path / "key")) == (b"secret", 0o600)
    assert ((tmp_path / "text").read_bytes(), mode_of(tmp_path / "text")) == (b"", 0o644)


def test_a_private_file_was_never_open_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary file, too, is 0600 from its creation on, under any umask."""
    os.umask(0)
    modes = []
    rename = Path.rename

    def watched(self: Path, target: Path) -> Path:
        modes.append(mode_of(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", watched)
    files.write_atomic(tmp_path / "key", b"secret", files.PRIVATE_MODE)
    assert modes == [0o600]


def test_equal_bytes_are_left_alone(tmp_path: Path) -> None:
    """The same bytes again keep inode and time stamp; other bytes take a new inode."""
    path = tmp_path / "file"
    files.write_atomic(path, b"one")
    before = path.stat()
    assert not files.write_atomic(path, b"one")
    assert path.stat() == before
    assert files.write_atomic(path, b"two")
    assert path.stat().st_ino != before.st_ino
    assert path.read_bytes() == b"two"


@pytest.mark.parametrize(
    ("before", "after"), [(0o644, 0o600), (0o660, 0o600), (0o600, 0o600), (0o400, 0o400)]
)
def test_a_too_open_mode_is_tightened_and_never_widened(tmp_path: Path, before: int, after: int) -> None:
    """Equal bytes keep the file, but bits beyond the wanted mode go."""
    path = tmp_path / "key"
    path.write_bytes(b"secret")
    path.chmod(before)
    assert not files.write_atomic(path, b"secret", files.PRIVATE_MODE)
    assert mode_of(path) == after


def test_reading_tells_the_mode_that_was_too_open(tmp_path: Path) -> None:
    """A tightened file is reported with its old mode, a private one with 0, an absent one as None."""
    path = tmp_path / "key"
    path.write_bytes(b"x" * 100_000)
    path.chmod(0o640)
    assert files.read_file(path, files.PRIVATE_MODE) == files.Found(b"x" * 100_000, 0o640)
    assert files.read_file(path, files.PRIVATE_MODE) == files.Found(b"x" * 100_000, 0)
    assert files.read_file(tmp_path / "absent", files.PRIVATE_MODE) is None


def test_found_bytes_do_not_show_in_texts(tmp_path: Path) -> None:
    """What was read is secret as often as not: its repr is silent."""
    files.write_atomic(tmp_path / "key", b"canary", files.PRIVATE_MODE)
    assert "canary" not in repr(files.read_file(tmp_path / "key", files.PRIVATE_MODE))


def put_in_the_way(path: Path, kind: str) -> None:
    match kind:
        case "link":
            (path.parent / "elsewhere").write_bytes(b"untouched")
            path.symlink_to("elsewhere")
        case "dangling link":
            path.symlink_to("nowhere")
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("link", "symbolic link"),
        ("dangling link", "symbolic link"),
        ("folder", "this is a directory"),
        ("pipe", "this is not a regular file"),
    ],
)
def test_nothing_but_a_plain_file_is_replaced(tmp_path: Path, kind: str, words: str) -> None:
    """A link, a folder or a pipe at the path is refused with path and remedy, and stays."""
    path = tmp_path / "file"
    put_in_the_way(path, kind)
    before = path.lstat()
    with pytest.raises(FlowerbedError) as refusal:
        files.write_atomic(path, b"data")
    assert words in refusal.value.what
    assert refusal.value.where == str(path)
    assert "move it away" in refusal.value.remedy
    assert path.lstat() == before
    assert {p.name for p in tmp_path.iterdir()} - {"elsewhere"} == {"file"}
    assert kind != "link" or path.read_bytes() == b"untouched"


def test_a_missing_or_false_folder_is_named(tmp_path: Path) -> None:
    """A folder that is absent, or is a file, gives one sentence with the path."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FlowerbedError, match=r"absent/x: cannot be written: No such file"):
        files.write_atomic(tmp_path / "absent" / "x", b"")
    with pytest.raises(FlowerbedError, match=r"file/x: cannot be read: Not a directory"):
        files.write_atomic(tmp_path / "file" / "x", b"")


@pytest.mark.parametrize(
    "failure", [KeyboardInterrupt(), OSError(28, "No space left on device")], ids=["^C", "full"]
)
def test_a_failed_write_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    """An interrupt or a full disk in the middle keeps the old bytes and leaves no stray file."""
    path = tmp_path / "file"
    files.write_atomic(path, b"old")

    def fail(*_: object) -> int:
        raise failure

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises((KeyboardInterrupt, FlowerbedError)) as caught:
        files.write_atomic(path, b"new")
    if isinstance(failure, OSError):
        assert str(caught.value) == f"{path}: cannot be written: No space left on device"
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that writes a few bytes at a time still writes all of them."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    files.write_atomic(tmp_path / "file", b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_durable_writes_reach_the_disk_before_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a durable write pays for fsync: of the file before its rename, of the folder after it."""
    steps: list[str] = []
    rename, fsync = Path.rename, os.fsync

    def watched_rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(self, target)

    def watched_fsync(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    monkeypatch.setattr(Path, "rename", watched_rename)
    monkeypatch.setattr(os, "fsync", watched_fsync)
    files.write_atomic(tmp_path / "a", b"x")
    assert steps == ["rename"]
    steps.clear()
    files.write_atomic(tmp_path / "b", b"x", durable=True)
    assert steps == ["file", "rename", "folder"]


READER = """
import sys, pathlib
from flowerbed.files import write_atomic
path, letter = pathlib.Path(sys.argv[1]), sys.argv[2].encode()
for turn in range(300):
    write_atomic(path, letter * (1000 + turn))
"""


def test_readers_and_writers_at_once_see_whole_files(tmp_path: Path) -> None:
    """While two processes write in turn, every read is one writer's bytes, whole."""
    path = tmp_path / "file"
    files.write_atomic(path, b"a" * 1000)
    writers = [subprocess.Popen([sys.executable, "-c", READER, str(path), letter]) for letter in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        data = path.read_bytes()
        assert len(data) >= 1000
        assert len(set(data)) == 1
        seen.add(data[:1])
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen == {b"a", b"b"}
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_private_folders_are_made_with_those_above(tmp_path: Path) -> None:
    """Every folder that was missing is 0700; one that was there above stays as it was."""
    tmp_path.chmod(0o755)
    assert files.make_private_folder(tmp_path / "a" / "b" / "c") == 0
    assert [mode_of(tmp_path / part) for part in ("a", "a/b", "a/b/c")] == [0o700] * 3
    assert mode_of(tmp_path) == 0o755


def test_a_folder_that_is_too_open_is_tightened(tmp_path: Path) -> None:
    """An existing folder keeps the owner's bits only; the old mode is told once."""
    (tmp_path / "a").mkdir(mode=0o755)
    assert files.make_private_folder(tmp_path / "a") == 0o755
    assert mode_of(tmp_path / "a") == 0o700
    assert files.make_private_folder(tmp_path / "a") == 0


def test_a_folder_may_be_a_link_to_one(tmp_path: Path) -> None:
    """A folder may live elsewhere, on an encrypted disk for instance; a link to nothing is refused."""
    (tmp_path / "vault").mkdir(mode=0o755)
    (tmp_path / "ca").symlink_to("vault")
    (tmp_path / "dangling").symlink_to("nowhere")
    files.make_private_folder(tmp_path / "ca")
    assert mode_of(tmp_path / "vault") == 0o700
    with pytest.raises(
        FlowerbedError, match="dangling: the permissions of this directory cannot be restricted: No such file"
    ):
        files.make_private_folder(tmp_path / "dangling")


def test_a_file_in_a_folders_way_is_named(tmp_path: Path) -> None:
    """A file where the folder, or one above it, belongs is refused and stays."""
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(FlowerbedError, match="file: a directory is expected here, but this is a file"):
        files.make_private_folder(tmp_path / "file")
    with pytest.raises(FlowerbedError, match="Not a directory"):
        files.make_private_folder(tmp_path / "file" / "below")
    assert (tmp_path / "file").read_bytes() == b"x"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another account")
@pytest.mark.parametrize(
    ("mode", "words"), [(0o644, "is open to other accounts"), (0o600, "Permission denied")]
)
def test_another_accounts_file_is_refused(mode: int, words: str) -> None:
    """A private file that belongs to somebody else cannot be tightened: it is refused, not used."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "key"
        path.write_bytes(b"x")
        path.chmod(mode)
        context = multiprocessing.get_context("spawn")
        results = context.Queue()
        process = context.Process(target=read_as_nobody, args=(str(path), results))
        process.start()
        answer = results.get(timeout=60)
        process.join(timeout=60)
    assert words in answer
