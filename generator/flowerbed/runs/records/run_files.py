"""What a run on this machine left in its working folder and did not give out through its log."""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import msgspec

from flowerbed.errors import FlowerbedError
from flowerbed.files import PRIVATE_MODE, make_private_folder, read_file
from flowerbed.flower.artifacts import COUNT_LIMIT, NAME
from flowerbed.flower.connection import Connection
from flowerbed.flower.start.app_folder import regular
from flowerbed.local.state import RUN_FOLDERS
from flowerbed.runs.records.model import ArtifactRecord, Record
from flowerbed.runs.records.store import ARTIFACTS, folder_of

# All files of a run together, in bytes; a bigger one stays where it is.
SIZE_LIMIT = 2_000_000_000
_CHUNK = 1 << 20


def read_files(root: Path, record: Record) -> dict[str, bytes]:
    """Return the files of a run that its record in `root` has, by name; one that was changed is left out."""
    found = {}
    for one in record.artifacts:
        read = read_file(folder_of(root, record.run.run_id) / one.file, PRIVATE_MODE) if one.file else None
        # A link in the record's directory may lead to any file of ours.
        if read and hashlib.sha256(read.data).hexdigest() == one.sha256:
            found[one.name] = read.data
    return found


def run_folder(connection: Connection, run_id: str) -> Path | None:
    """Return the working folder of a ServerApp that ran on this machine, None where there is none.

    The connection.toml of a federation on this machine lies in its state folder (flowerbed.local.state).
    """
    if connection.file is None:
        return None
    # users/default.toml or users/NAME/connection.toml of the state folder
    found = (above / RUN_FOLDERS / run_id for above in connection.file.absolute().parents[1:3])
    return next((folder for folder in found if folder.is_dir() and not folder.is_symlink()), None)


def kept(artifacts: Iterable[ArtifactRecord], source: Path, record: Path) -> tuple[ArtifactRecord, ...]:
    """Copy what the log does not have from a run's folder into its record; return what the record says now.

    The log of a ServerApp that was stopped or killed has none of its files. No link is followed.
    Raises FlowerbedError where the record cannot be written.
    """
    told = {one.name: one for one in artifacts}
    places = itertools.islice((place for place, _ in regular(source)), COUNT_LIMIT)
    untold = (place for place in places if place not in told and NAME.fullmatch(place))
    missing = [ArtifactRecord(name=place, file="", size=0, sha256="", problem="") for place in untold]
    found, left = [], SIZE_LIMIT
    for one in sorted([*told.values(), *missing], key=lambda one: one.name):
        copied = _copied(one, source, record, left) if not one.file and NAME.fullmatch(one.name) else None
        left -= copied.size if copied else 0
        if copied or one.file or one.problem:
            found.append(copied or one)
    return tuple(found)


def _copied(one: ArtifactRecord, source: Path, record: Path, limit: int) -> ArtifactRecord | None:
    """Return a file as it is in the record now, None where it cannot be had."""
    try:
        opened = _opened(source, one.name)
    except OSError:
        return None
    with opened:
        if os.fstat(opened.fileno()).st_size > limit:
            problem = f"more than {SIZE_LIMIT:,} bytes in one run; it is {source / one.name}"
            return msgspec.structs.replace(one, problem=problem, size=0)
        place = Path(ARTIFACTS, one.name)
        for parent in reversed(place.parents[:-1]):
            make_private_folder(record / parent)
        size, sha256 = _written(opened, record / place)
    return msgspec.structs.replace(one, file=str(place), size=size, sha256=sha256, problem="")


def _opened(folder: Path, name: str) -> BinaryIO:
    """Open a plain file below a folder, through no link. Raises OSError."""
    *parents, last = name.split("/")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    held = os.open(folder, flags | os.O_DIRECTORY)
    try:
        for parent in parents:
            inner = os.open(parent, flags | os.O_DIRECTORY, dir_fd=held)
            os.close(held)
            held = inner
        file = os.open(last, flags, dir_fd=held)
    finally:
        os.close(held)
    opened = os.fdopen(file, "rb")
    if not stat.S_ISREG(os.fstat(file).st_mode):
        opened.close()
        raise OSError(f"{name} is not a plain file")
    return opened


def _written(opened: BinaryIO, path: Path) -> tuple[int, str]:
    """Copy into a new file that takes the place of `path`; return its size and SHA-256."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    size, digest = 0, hashlib.sha256()
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE), "wb") as new:
            while chunk := opened.read(_CHUNK):
                size += len(chunk)
                digest.update(chunk)
                new.write(chunk)
        temporary.rename(path)
    except OSError as error:
        raise FlowerbedError(f"cannot be written: {error.strerror}", where=str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)
    return size, digest.hexdigest()
