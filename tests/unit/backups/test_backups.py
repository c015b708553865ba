"""A backup is whole or not there, says what it holds, and is put back only if every byte is right."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import re
import shlex
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from flowerbed.backups import archive
from flowerbed.backups.archive import BrokenOffError, Manifest, opened, verify, write
from flowerbed.cli import main
from flowerbed.errors import UsageError
from flowerbed.flower.programs import superlink_state
from flowerbed.flower.programs.superlink_state import Facts, StateError, copied, put
from support.paths import ROOT

STATE = bytes(range(256)) * 5000
FACTS = Facts(len(STATE), hashlib.sha256(STATE).hexdigest(), runs=12, nodes=5, flower="1.41.0")
PROGRAM = Path(superlink_state.__file__)
PAGE = (ROOT / "docs" / "how-to" / "backups.md").read_text()


def silent(_: int, __: int) -> None:
    """Tell nobody."""


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Return a backup of a federation named hospitals."""
    path = tmp_path / "good.backup.tar.gz"
    write(path, "hospitals", FACTS, io.BytesIO(STATE), silent)
    return path


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """Return a database with the tables that are looked at, held open by somebody who writes to it."""
    path = tmp_path / "superlink" / "state.db"
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as writer:
        writer.executescript("PRAGMA journal_mode=WAL; CREATE TABLE run (id); CREATE TABLE node (id);")
        writer.execute("INSERT INTO run VALUES (1)")
        writer.commit()
        yield path


def rows(database: Path) -> list[object]:
    with contextlib.closing(sqlite3.connect(database)) as reader:
        return [row[0] for row in reader.execute("SELECT id FROM run")]


def test_what_is_written_is_read(backup: Path) -> None:
    """The state comes back byte by byte, with what was told of it; the file is its owner's alone."""
    with opened(backup) as (manifest, content):
        assert content.read() == STATE
    assert (manifest.name, manifest.state) == ("hospitals", FACTS)
    assert manifest == verify(backup)
    assert backup.stat().st_mode & 0o777 == 0o600


def test_nothing_is_overwritten(backup: Path) -> None:
    """A file that is there stays as it is, and no half file lies beside it."""
    before = backup.read_bytes()
    with pytest.raises(UsageError, match="already exists"):
        write(backup, "hospitals", FACTS, io.BytesIO(STATE), silent)
    assert backup.read_bytes() == before
    assert list(backup.parent.iterdir()) == [backup]


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    """Before anything is copied."""
    with pytest.raises(UsageError, match="no such directory"):
        write(tmp_path / "nowhere" / "file", "hospitals", FACTS, io.BytesIO(STATE), silent)


@pytest.mark.parametrize("source", [STATE[:-1], STATE[:17000], b""], ids=["a byte", "most", "all"])
def test_a_state_that_breaks_off_leaves_nothing(source: bytes, tmp_path: Path) -> None:
    """Bytes that are missing are told, and no backup is there."""
    with pytest.raises(BrokenOffError, match=f"of {len(STATE)} bytes"):
        write(tmp_path / "short", "hospitals", FACTS, io.BytesIO(source), silent)
    assert not list(tmp_path.iterdir())


def packed(path: Path, *members: tuple[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as file:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))


def manifest_text(**changes: object) -> bytes:
    import msgspec

    whole = {"format": 1, "name": "hospitals", "taken": "2026-01-31T08:00:00Z", "state": asdict(FACTS)}
    return msgspec.json.encode(whole | changes)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no archive": lambda path: path.write_bytes(b"hello"),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:2000]),
    "a changed byte": lambda path: packed(path, ("backup.json", manifest_text()), ("state.db", STATE[::-1])),
    "no manifest": lambda path: packed(path, ("state.db", STATE)),
    "no state": lambda path: packed(path, ("backup.json", manifest_text())),
    "too small": lambda path: packed(path, ("backup.json", manifest_text()), ("state.db", STATE[1:])),
    "not JSON": lambda path: packed(path, ("backup.json", b"{"), ("state.db", STATE)),
    "no time": lambda path: packed(
        path, ("backup.json", manifest_text(taken="\x1b[2J")), ("state.db", STATE)
    ),
    "no version": lambda path: packed(
        path,
        ("backup.json", manifest_text(state=asdict(replace(FACTS, flower="1.41\nrun 1: completed")))),
        ("state.db", STATE),
    ),
    "another format": lambda path: packed(
        path, ("backup.json", manifest_text(format=2)), ("state.db", STATE)
    ),
    "a bomb": lambda path: packed(path, ("backup.json", b" " * 10_000_000), ("state.db", STATE)),
    "zipped nonsense": lambda path: path.write_bytes(gzip.compress(b"hello")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_backup_is_refused(damage: str, backup: Path) -> None:
    """What is not whole is no backup; the message names the file."""
    verify(backup)
    DAMAGE[damage](backup)
    with pytest.raises(UsageError, match="not a complete backup") as refused:
        verify(backup)
    assert refused.value.where == str(backup)


def test_a_copy_is_whole_while_somebody_writes(database: Path) -> None:
    """What was committed is in it, though SQLite keeps it beside the file; what is not, is not."""
    assert database.with_name("state.db-wal").stat().st_size > 0
    with contextlib.closing(sqlite3.connect(database)) as writer:
        writer.execute("INSERT INTO run VALUES (2)")
        with copied(database) as (facts, file):
            content = file.read()
        writer.commit()
    copy = database.with_name("copy.db")
    copy.write_bytes(content)
    assert rows(copy) == [1]
    assert (facts.size, facts.runs, facts.nodes) == (len(content), 1, 0)
    assert facts.sha256 == hashlib.sha256(content).hexdigest()
    assert facts.flower.startswith("1.")


def test_what_is_put_back_is_what_was_copied(database: Path) -> None:
    """The program's two ends fit together as they do in a pod; the last state stays beside the new one."""
    run = [sys.executable, "-c", PROGRAM.read_text()]
    copy = subprocess.run([*run, "copy", database], capture_output=True, check=True)
    head, _, content = copy.stdout.partition(b"\n")
    with contextlib.closing(sqlite3.connect(database)) as writer:
        writer.execute("INSERT INTO run VALUES (2)")
        writer.commit()
    assert rows(database) == [1, 2]
    digest = hashlib.sha256(content).hexdigest()
    assert f'"sha256": "{digest}"'.encode() in head
    putting = [*run, "put", str(database), str(len(content)), digest]
    subprocess.run(putting, input=content, check=True)
    assert rows(database) == [1]
    assert rows(database.with_name("state.db.before-restore")) == [1, 2]
    assert database.stat().st_mode & 0o777 == 0o600


def test_the_log_of_a_killed_superlink_stays_with_its_database(tmp_path: Path) -> None:
    """A write-ahead log that was left is not read into the state that takes its place, and is not lost."""
    code = (
        "import os, sqlite3; s = sqlite3.connect('state.db'); "
        "s.executescript('PRAGMA journal_mode=WAL; CREATE TABLE run (id); CREATE TABLE node (id)'); "
        "s.execute('INSERT INTO run VALUES (3)'); s.commit(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    database = tmp_path / "state.db"
    assert database.with_name("state.db-wal").stat().st_size > 0
    other = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(other)) as writer:
        writer.executescript("CREATE TABLE run (id); INSERT INTO run VALUES (7)")
    new = other.read_bytes()
    put(database, io.BytesIO(new), len(new), hashlib.sha256(new).hexdigest())
    assert rows(database) == [7]
    assert rows(database.with_name("state.db.before-restore")) == [3]


BAD_STATES = {
    "did not arrive": (STATE[:-1], FACTS.sha256),
    "SHA-256 differs": (STATE[::-1], FACTS.sha256),
    "not a SuperLink's state": (STATE, FACTS.sha256),
}


@pytest.mark.parametrize("word", BAD_STATES)
def test_what_cannot_be_put_back_changes_nothing(word: str, database: Path) -> None:
    """Until all is there and right, the state that is there is not touched; nothing is left over."""
    content, sha256 = BAD_STATES[word]
    with pytest.raises(StateError, match=word):
        put(database, io.BytesIO(content), len(STATE), sha256)
    assert rows(database) == [1]
    assert not list(database.parent.glob("state.db.*"))


def test_without_state_that_is_said(tmp_path: Path) -> None:
    """The program names the file, and ends with 1."""
    done = subprocess.run(
        [sys.executable, PROGRAM, "copy", tmp_path / "state.db"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: there is no state yet: {tmp_path}/state.db is missing\n"


def foreign(path: Path, **changes: object) -> Path:
    packed(path, ("backup.json", manifest_text(**changes)), ("state.db", STATE))
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "clinics"}, "this is a backup of 'clinics', not of 'hospitals'"),
        ({"state": asdict(FACTS) | {"flower": "1.42.0"}}, "Flower 1.42.0 kept this state"),
        ({}, "say --yes if that is meant"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_touched(
    changes: dict[str, object], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another federation's state, a newer Flower's, or no word that it is meant: exit 2, nothing changes."""
    file = tmp_path / "federation.yaml"
    file.write_text(
        'version: 1\nname: hospitals\nflower: "1.41"\nsuperlink: {namespace: h}\n'
        "tenants: [{name: north, namespace: n, nodes: 1}]\n"
    )
    source = foreign(tmp_path / "backup", **changes)
    assert main.run(["restore", str(source), "-f", str(file), "--local"]) == 2
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup", "federation.yaml"]


def test_the_federation_is_never_guessed(backup: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`restore` replaces something, so which federation is meant has to be said."""
    (backup.parent / "federation.yaml").write_text(
        "version: 1\nname: hospitals\ntenants: [{name: n, namespace: n, nodes: 1}]\n"
    )
    assert main.run(["restore", str(backup), "-f", str(backup.parent / "federation.yaml"), "--yes"]) == 2
    assert "--cluster or --local is required" in capsys.readouterr().err


def test_the_format_is_what_the_page_says() -> None:
    """docs/how-to/backups.md shows the manifest's fields."""
    assert all(f'"{name}"' in PAGE for name in (*Manifest.__struct_fields__, *asdict(FACTS)))
    assert (archive.MANIFEST in PAGE, archive.STATE in PAGE, superlink_state.BEFORE in PAGE) == (True,) * 3


def test_the_page_tells_the_programs_figures() -> None:
    """Sizes on the page are those that the program goes by."""
    small, reserve = superlink_state.SMALL >> 20, superlink_state.RESERVE >> 20
    assert f"up to\n{small} MiB" in PAGE
    assert f"{reserve} MiB have to stay free" in PAGE


@pytest.mark.parametrize("line", re.findall(r"^flowerbed (.*?)(?: +#.*)?$", PAGE, re.MULTILINE))
def test_the_pages_commands_are_commands(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each verb that is shown exists, and so do its options."""
    verb, *words = shlex.split(line)
    assert main.run([verb, "--help"]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in words if word.startswith("-"))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("before", [b"", b"manifest"], ids=["first", "second"])
def test_headers_take_little_memory(kind: bytes, before: bytes, tmp_path: Path) -> None:
    """A header of 256 MiB, packed into little, is refused within 128 MiB of memory, in either place."""
    path, target = tmp_path / "bomb.backup.tar.gz", io.BytesIO()
    if before:
        with tarfile.open(fileobj=target, mode="w") as file:
            member = tarfile.TarInfo("backup.json")
            member.size = len(manifest_text())
            file.addfile(member, io.BytesIO(manifest_text()))
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, 256 * 1024 * 1024
    head = target.getvalue()[: 1024 if before else 0]
    path.write_bytes(gzip.compress(head + info.tobuf() + bytes(info.size), 1))
    program = (
        "import re, sys; from pathlib import Path\n"
        "from flowerbed.backups.archive import verify\n"
        "from flowerbed.errors import UsageError\n"
        "try: verify(Path(sys.argv[1]))\n"
        "except UsageError as error: print('refused', error.what)\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "refused this is not a complete backup: what it says of its entries is too long" in done.stdout
    assert int(done.stdout.splitlines()[-1]) < 128 * 1024
