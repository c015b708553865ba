"""Copy a SuperLink's state out of its database while it works; put such a copy in its place while it rests.

    superlink_state.py copy DATABASE              a line of JSON with facts on stdout, then the copy's bytes
    superlink_state.py put DATABASE SIZE SHA256   takes these bytes on stdin, checks them, puts them in place
    superlink_state.py hold SECONDS               ends when nothing else ran in this container for so long

Copying only the file would lose what SQLite still has beside it (its write-ahead log). Needs Python alone: in
a pod it is handed over as `python -c`, so that any SuperLink's image will do.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

PIECE = 1 << 20  # bytes that are moved at once
# A copy up to this size goes to the folder for temporary files, which has 1 GiB in the chart's pod; a larger
# one goes beside the database, where this much has to stay free for the SuperLink, which goes on meanwhile.
SMALL, RESERVE = 256 << 20, 64 << 20  # bytes
PREFIX = "superlink-state-"
STALE = 3600.0  # seconds after which a copy that nobody removed belongs to a process that was killed
BEFORE = ".before-restore"


class StateError(Exception):
    """The state cannot be copied or put in place; the text says why."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a copy holds: bytes, SHA-256 in hexadecimal, runs, nodes, and the version of flwr that kept it."""

    size: int
    sha256: str
    runs: int
    nodes: int
    flower: str


@contextlib.contextmanager
def copied(database: Path) -> Iterator[tuple[Facts, IO[bytes]]]:
    """Give a whole and consistent copy of a database as an open file, which is gone afterwards.

    Whoever uses the database goes on; changes of theirs from now on are not in the copy. Raises StateError.
    """
    if not database.is_file():
        raise StateError(f"there is no state yet: {database} is missing")
    try:
        with contextlib.closing(_open(database)) as source, _room_for(_size(source), database) as folder:
            copy = folder / "copy.db"
            source.execute("VACUUM INTO ?", (str(copy),))
            facts = _facts(copy)
            with copy.open("rb") as file:
                yield facts, file
    except sqlite3.Error as error:
        raise StateError(f"{database}: {error}") from None


def _open(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True, timeout=30.0)
    connection.isolation_level = None
    return connection


def _size(source: sqlite3.Connection) -> int:
    pages, unused, size = (
        source.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - unused) * size)


@contextlib.contextmanager
def _room_for(size: int, database: Path) -> Iterator[Path]:
    """Give a private folder with room for a copy. Raises StateError."""
    if size <= SMALL:
        place = Path(tempfile.gettempdir())
    else:
        place = database.parent
        _drop_stale(place)
    free = shutil.disk_usage(place).free
    needed = size + (RESERVE if place == database.parent else 0)
    if free < needed:
        raise StateError(f"no room for a copy in {place}: it takes {_mb(needed)}, and {_mb(free)} are free")
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=place) as folder:
        yield Path(folder)


def _drop_stale(place: Path) -> None:
    for folder in place.glob(f"{PREFIX}*"):
        if time.time() - folder.stat().st_mtime > STALE:
            shutil.rmtree(folder, ignore_errors=True)


def _facts(copy: Path) -> Facts:
    with copy.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    with contextlib.closing(_open(copy)) as source:
        # Flower's own names of its tables (flwr 1.41: supercore/state/schema).
        counts = "SELECT (SELECT count(*) FROM run), (SELECT count(*) FROM node)"
        runs, nodes = source.execute(counts).fetchone()
    return Facts(copy.stat().st_size, sha256, runs, nodes, importlib.metadata.version("flwr"))


def put(database: Path, source: IO[bytes], size: int, sha256: str) -> None:
    """Make `size` bytes of `source` the database, whose SuperLink must not run.

    What was there stays beside it as DATABASE.before-restore, in place of an earlier one. Until everything is
    there and checked, nothing is changed. Raises StateError.
    """
    kept = database.with_name(f"{database.name}{BEFORE}")
    new = database.with_name(f"{database.name}.restoring")
    new.unlink(missing_ok=True)
    if shutil.disk_usage(database.parent).free < size:
        kept.unlink(missing_ok=True)
    free = shutil.disk_usage(database.parent).free
    if free < size:
        raise StateError(
            f"no room in {database.parent}: the state takes {_mb(size)}, and {_mb(free)} are free"
        )
    try:
        _receive(new, source, size, sha256)
        _check(new)
        _swap(database, new, kept)
    finally:
        new.unlink(missing_ok=True)


def _receive(new: Path, source: IO[bytes], size: int, sha256: str) -> None:
    digest, left = hashlib.sha256(), size
    with open(new, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        while left and (piece := source.read(min(PIECE, left))):
            file.write(piece)
            digest.update(piece)
            left -= len(piece)
        file.flush()
        os.fsync(file.fileno())
    if left:
        raise StateError(f"{_mb(left)} of {_mb(size)} did not arrive")
    if digest.hexdigest() != sha256:
        raise StateError("what arrived is not what was sent: its SHA-256 differs")


def _check(new: Path) -> None:
    try:
        with contextlib.closing(_open(new)) as source:
            said = source.execute("PRAGMA quick_check(1)").fetchone()[0]
            source.execute("SELECT count(*) FROM run")
    except sqlite3.Error as error:
        raise StateError(f"this is not a SuperLink's state: {error}") from None
    if said != "ok":
        raise StateError(f"the state is damaged: {said}")


def _swap(database: Path, new: Path, kept: Path) -> None:
    if database.exists():
        # Takes in what stands in the write-ahead log, and removes it; a damaged database stays as it is.
        with contextlib.suppress(sqlite3.Error), contextlib.closing(_open(database)) as old:
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        kept.unlink(missing_ok=True)
        kept.hardlink_to(database)
    for suffix in ("-wal", "-shm"):
        beside, aside = Path(f"{database}{suffix}"), Path(f"{kept}{suffix}")
        aside.unlink(missing_ok=True)
        if beside.exists():
            beside.rename(aside)
    new.replace(database)


def hold(seconds: float) -> None:
    """Return when no other process was in this container for so long: what it was kept for is over."""
    idle_since = time.monotonic()
    while time.monotonic() - idle_since < seconds:
        time.sleep(1.0)
        if any(one.name.isdecimal() and int(one.name) != os.getpid() for one in Path("/proc").iterdir()):
            idle_since = time.monotonic()


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def main(arguments: list[str]) -> int:
    """Do what the first argument says; return 0, or 1 after telling on stderr what went wrong."""
    os.umask(0o077)
    try:
        match arguments:
            case ["copy", database]:
                with copied(Path(database)) as (facts, file):
                    sys.stdout.buffer.write(f"{json.dumps(asdict(facts))}\n".encode())
                    shutil.copyfileobj(file, sys.stdout.buffer, PIECE)
                    sys.stdout.buffer.flush()
            case ["put", database, size, sha256]:
                put(Path(database), sys.stdin.buffer, int(size), sha256)
            case ["hold", seconds]:
                hold(float(seconds))
            case _:
                sys.exit(__doc__)
    except (StateError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
