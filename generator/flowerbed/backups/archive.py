"""A backup: one file, a gzipped tar of `backup.json`, which says what it holds, and `state.db`, the state.

What it holds is what the SuperLink knows: nodes, runs, their logs, messages and models. No key and no
certificate is in it: those are in the bundles. It is private all the same, as models are.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import re
import secrets
import tarfile
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, cast

import msgspec

from flowerbed import documents
from flowerbed.errors import FlowerbedError, LocalError, UsageError
from flowerbed.files import PRIVATE_MODE, make_private_folder
from flowerbed.flower.programs.superlink_state import Facts, StateError, copied, put
from flowerbed.flower.source.archive import LARGEST_HEADER, Measured
from flowerbed.flower.text import printable
from flowerbed.local.state import StateDirectory

FORMAT = 1
MANIFEST, STATE = "backup.json", "state.db"
PIECE = 1 << 20
_VERSION = re.compile(r"\d{1,3}\.\d{1,5}[0-9A-Za-z.+-]{0,40}")
_LARGEST_MANIFEST = 1 << 16  # bytes
# Models do not compress, and the rest is small: more effort gives nothing back.
_LEVEL = 1
# What reading something else than a backup ends in.
_UNREADABLE = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, RecursionError)

# Hears how many bytes of how many have been moved.
Progress = Callable[[int, int], None]


class BrokenOffError(FlowerbedError):
    """A state's bytes ended too early."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds: the federation, when it was taken (ISO 8601, UTC), and the state's facts."""

    format: int
    name: str
    taken: str
    state: Facts


def default_name(name: str, moment: datetime) -> str:
    """Return a backup's file name: `hospitals-20260131T080000Z.backup.tar.gz`."""
    return f"{name}-{moment:%Y%m%dT%H%M%SZ}.backup.tar.gz"


def write(path: Path, name: str, facts: Facts, source: IO[bytes], progress: Progress) -> Manifest:
    """Write a backup of a federation, whole or not at all, and return what it holds.

    `source` gives the state's bytes. Raises UsageError where a file is in the way, FlowerbedError where the
    bytes are not those that the facts tell.
    """
    refuse_taken(path)
    taken = datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    manifest = Manifest(format=FORMAT, name=name, taken=taken, state=facts)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with open(temporary, "xb", opener=_private) as file:
            _pack(file, manifest, _Checked(source, facts, progress))
        refuse_taken(path)  # copying may have taken a while
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    return manifest


def refuse_taken(path: Path) -> None:
    """Raise UsageError where a backup cannot be written: what is in its way nobody could make again."""
    if not path.parent.is_dir():
        raise UsageError(
            "there is no such directory", where=str(path.parent), remedy="make it, or give another"
        )
    if path.exists() or path.is_symlink():
        raise UsageError("this file already exists", where=str(path), remedy="give another by --output")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE_MODE)


def _pack(file: IO[bytes], manifest: Manifest, state: _Checked) -> None:
    text = documents.encode(manifest)
    moment = int(datetime.fromisoformat(manifest.taken).timestamp())
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=_LEVEL) as archive:
        for name, size, content in (
            (MANIFEST, len(text), io.BytesIO(text)),
            (STATE, state.facts.size, state),
        ):
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = size, PRIVATE_MODE, moment
            archive.addfile(member, content)
    state.finish()


class _Checked:
    """Passes on the bytes of a state, and makes sure that they are the right ones."""

    def __init__(self, source: IO[bytes], facts: Facts, progress: Progress) -> None:
        self.facts = facts
        self._source = source
        self._progress = progress
        self._digest = hashlib.sha256()
        self._moved = 0

    def read(self, size: int = PIECE) -> bytes:
        """Return the next bytes. Raises BrokenOffError."""
        wanted = min(size, self.facts.size - self._moved)
        piece = self._source.read(wanted)
        self._digest.update(piece)
        self._moved += len(piece)
        if len(piece) < wanted:
            raise BrokenOffError(f"the state broke off after {self._moved} of {self.facts.size} bytes")
        self._progress(self._moved, self.facts.size)
        return piece

    def finish(self) -> None:
        """Raise FlowerbedError unless all that was read is what was told."""
        if self._digest.hexdigest() != self.facts.sha256:
            raise FlowerbedError("the state does not have the SHA-256 that it should have")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[Manifest, IO[bytes]]]:
    """Give what a backup holds, and the state's bytes to read. Raises UsageError where it is none."""
    try:
        with gzip.open(path) as packed, _headers(cast(IO[bytes], packed)) as (archive, measured):
            first = archive.next()
            if first is None or first.name != MANIFEST or first.size > _LARGEST_MANIFEST:
                raise _no_backup(path, f"it does not begin with {MANIFEST}")
            measured.allowance = _LARGEST_MANIFEST + tarfile.RECORDSIZE
            manifest = _manifest(_content(archive, first, path).read(), path)
            if manifest.format != FORMAT:
                raise _no_backup(path, f"its format is {manifest.format}, and this Flowerbed reads {FORMAT}")
            measured.allowance = LARGEST_HEADER
            second = archive.next()
            if second is None or second.name != STATE or second.size != manifest.state.size:
                raise _no_backup(path, f"it lacks {STATE}, or some of it")
            measured.allowance = second.size + tarfile.RECORDSIZE
            yield manifest, _content(archive, second, path)
    except FileNotFoundError:
        raise UsageError("there is no such file", where=str(path)) from None
    except UsageError as error:
        raise _no_backup(path, error.what) from None
    except _UNREADABLE as error:
        raise _no_backup(path, str(error)) from None


@contextlib.contextmanager
def _headers(packed: IO[bytes]) -> Iterator[tuple[tarfile.TarFile, Measured]]:
    """Give a tar archive whose headers are bounded: tarfile reads each whole, as long as it says it is."""
    measured = Measured(packed)
    measured.allowance = LARGEST_HEADER
    with tarfile.open(fileobj=measured, mode="r:") as archive:
        yield archive, measured


def verify(path: Path) -> Manifest:
    """Read a backup to its end and return what it holds. Raises UsageError unless every byte is right."""
    with opened(path) as (manifest, state):
        checked = _Checked(state, manifest.state, lambda *_: None)
        try:
            while checked.read():
                pass
            checked.finish()
        except FlowerbedError as error:
            raise _no_backup(path, error.what) from None
    return manifest


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> IO[bytes]:
    content = archive.extractfile(member) if member.isreg() and not member.issparse() else None
    if content is None:
        raise _no_backup(path, f"{member.name} is not a file")
    return content


def _manifest(data: bytes, path: Path) -> Manifest:
    try:
        manifest = documents.decode(data, Manifest)
        datetime.fromisoformat(manifest.taken)
    except ValueError as error:
        raise _no_backup(path, printable(str(error))) from None
    if not _VERSION.fullmatch(manifest.state.flower):
        raise _no_backup(path, f"{printable(manifest.state.flower)!r} is not a version of Flower")
    return manifest


def _no_backup(path: Path, why: str) -> UsageError:
    return UsageError(f"this is not a complete backup: {why}", where=str(path), remedy="give another one")


def back_up_local(directory: StateDirectory, name: str, path: Path, progress: Progress) -> Manifest:
    """Write a backup of the local federation, running or not, and return what it holds.

    Raises LocalError, UsageError, FlowerbedError.
    """
    try:
        with copied(directory.database) as (facts, file):
            return write(path, name, facts, file, progress)
    except StateError as error:
        remedy = "`flowerbed up` begins one; --cluster is for the federation on Kubernetes"
        raise LocalError(str(error), remedy=remedy) from None


def restore_local(directory: StateDirectory, path: Path) -> None:
    """Put a backup in the place of the local federation's state.

    Raises LocalError where it runs, UsageError.
    """
    make_private_folder(directory.database.parent)
    held = directory.claim()
    if held is None:
        remedy = "`flowerbed down` first, and `flowerbed up` afterwards"
        raise LocalError(
            "the federation runs, and keeps its state open", where=str(directory.path), remedy=remedy
        )
    try:
        with opened(path) as (manifest, content):
            put(directory.database, content, manifest.state.size, manifest.state.sha256)
    except StateError as error:
        raise LocalError(str(error), where=str(directory.path)) from None
    finally:
        os.close(held)
