"""The list of revocations on the SuperLink's volume: it grows, and damage never shortens it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flowerbed.flower.programs import kept_revocations
from flowerbed.flower.programs.kept_revocations import (
    DamagedError,
    FullError,
    Revoked,
    declared,
    keep,
    read_kept,
)

FIRST, SECOND = "a" * 64, "b" * 64
EARLY, LATE = "261129013328", "261130000000"
OLD = Revoked({"ann": LATE, "sam": EARLY}, frozenset({FIRST}))


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    keep(tmp_path / "revoked", OLD)
    return tmp_path / "revoked"


def declare(folder: Path, users: str, keys: str) -> tuple[Path, Path]:
    (folder / "users").write_text(users)
    (folder / "keys").write_text(keys)
    return folder / "users", folder / "keys"


def test_times_only_move_forward_and_keys_stay(kept: Path) -> None:
    """An older declared list takes nothing off: the later time counts, keys are united."""
    assert keep(kept, Revoked({"ann": EARLY, "sam": LATE, "tom": EARLY}, frozenset({SECOND}))) == Revoked(
        {"ann": LATE, "sam": LATE, "tom": EARLY}, frozenset({FIRST, SECOND})
    )
    assert keep(kept, Revoked()) == read_kept(kept)
    assert read_kept(kept).users == {"ann": LATE, "sam": LATE, "tom": EARLY}


def test_nothing_is_kept_before_anything_was(tmp_path: Path) -> None:
    """A new volume has no list; keeping nothing creates it, with both files, private."""
    assert read_kept(tmp_path / "revoked") == Revoked()
    assert keep(tmp_path / "revoked", Revoked()) == Revoked()
    modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "revoked").iterdir()}
    assert modes == {"users": 0o600, "keys": 0o600}


def test_nothing_is_written_where_nothing_is_new(kept: Path) -> None:
    """The gateway reloads at every change of the file, so an equal one is left alone."""
    before = {file: file.stat().st_ino for file in kept.iterdir()}
    keep(kept, Revoked({"ann": EARLY}, frozenset({FIRST})))
    assert {file: file.stat().st_ino for file in kept.iterdir()} == before
    keep(kept, Revoked({"ann": "270101000000"}))
    assert (kept / "users").stat().st_ino != before[kept / "users"]
    assert (kept / "keys").stat().st_ino == before[kept / "keys"]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda file: file.unlink(), id="missing"),
        pytest.param(lambda file: file.write_bytes(b""), id="empty"),
        pytest.param(
            lambda file: file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1])),
            id="cut at a line's end",
        ),
        pytest.param(lambda file: file.write_bytes(file.read_bytes()[:-5]), id="cut within a line"),
        pytest.param(lambda file: file.write_bytes(b"# nothing\n"), id="without a checksum"),
        pytest.param(lambda file: file.write_bytes(b"\xff" * 100), id="other bytes"),
        pytest.param(lambda file: file.write_bytes(file.read_bytes() + b"x"), id="appended"),
    ],
)
@pytest.mark.parametrize("name", ["users", "keys"])
def test_damage_is_never_an_empty_list(kept: Path, name: str, damage: Callable[[Path], None]) -> None:
    """Whatever became of a file, reading refuses, and merging writes nothing over it."""
    assert read_kept(kept) == OLD
    damage(kept / name)
    before = [file.read_bytes() for file in sorted(kept.iterdir())]
    with pytest.raises(DamagedError, match=rf"revoked/{name}"):
        read_kept(kept)
    with pytest.raises(DamagedError):
        keep(kept, Revoked({"tom": EARLY}))
    assert [file.read_bytes() for file in sorted(kept.iterdir())] == before


def test_a_killed_start_leaves_no_half_of_a_list(tmp_path: Path) -> None:
    """What a killed creation left is removed; both files appear in one step."""
    left = tmp_path / ".revoked.new"
    left.mkdir()
    (left / ".users.new").write_bytes(b"half")
    keep(tmp_path / "revoked", OLD)
    assert read_kept(tmp_path / "revoked") == OLD
    assert [file.name for file in tmp_path.iterdir()] == ["revoked"]


def test_it_is_bounded(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its size nothing is added and nothing is lost."""
    monkeypatch.setattr(kept_revocations, "MAX_BYTES", 400)
    with pytest.raises(FullError, match="users would exceed 400 bytes"):
        keep(kept, Revoked({f"user-{number}": EARLY for number in range(20)}))
    assert read_kept(kept) == OLD


def test_declared_lists_give_their_lines(tmp_path: Path) -> None:
    """Comments count for nothing, a doubled name by its later time; unusable lines are returned."""
    users = f"# CN YYMMDDHHMMSS\nann {LATE}\nann {EARLY}\nsam\n\ntom 26\n"
    found, wrong = declared(*declare(tmp_path, users, f"# SHA-256\n{FIRST}\nabc"))
    assert found == Revoked({"ann": LATE}, frozenset({FIRST}))
    assert wrong == ["sam", "tom 26", "abc"]
    assert declared(None, tmp_path / "nowhere") == (Revoked(), [])


def test_the_pod_starts_only_with_a_list_that_is_whole(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program that runs before the gateway merges, and ends with 1 at a damaged list."""
    users, keys = declare(tmp_path, f"tom {EARLY}\nno line\n", SECOND)
    argv = ["--kept", str(kept), "--revoked-users", str(users), "--revoked", str(keys)]
    assert kept_revocations.main(argv) == 0
    said = capsys.readouterr()
    assert said.out == "kept: 3 revoked users, 2 revoked keys\n"
    assert said.err == "warning: not a revocation: 'no line'\n"
    (kept / "keys").write_bytes(b"")
    assert kept_revocations.main(argv) == 1
    assert f"error: kept revocations are damaged: {kept / 'keys'}" in capsys.readouterr().err
