"""Unpack a zip or tar archive that anybody may have made: everything is bounded while it streams.

Only files and directories are written, only inside the given one. Links are left out, as Flower packs none;
one that leads out of the archive, a device, a path with `..` or the same path twice ends the unpacking.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import UsageError
from ..text import plain
from .address import safe_parts

CHUNK = 256 * 1024
LARGEST_UNPACKED = 256 * 1024 * 1024  # bytes of all files together
MOST_ENTRIES = 20_000
# What may be unpacked from one byte, once there is enough to tell: deflate reaches 1,032.
HIGHEST_RATIO, RATIO_COUNTS_FROM = 200, 32 * 1024 * 1024
# Most that is read in one piece to learn what an archive holds: tar's headers, zip's list of entries.
LARGEST_HEADER = 1024 * 1024
LONGEST_TARGET = 4096  # bytes of the path that a link leads to: PATH_MAX of Linux
XZ_MEMORY = 96 * 1024 * 1024  # `xz -9` needs 65 MiB to unpack; a header may demand gigabytes
MAGICS = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz", b"PK\x03\x04": "zip", b"PK\x05\x06": "zip"}
# What the libraries raise for what is damaged, and for what they do not know.
DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    NotImplementedError,  # a compression or flag that zipfile does not know
    ValueError,  # also UnicodeDecodeError, and numbers of headers
    OverflowError,
    RecursionError,  # tarfile follows header upon header
)


@dataclass(slots=True)
class Budget:
    """What may still be unpacked, over all archives of one source; `packed` bytes came in."""

    packed: int = 0
    entries: int = 0
    unpacked: int = 0

    def enter(self) -> None:
        """Count an entry. Raises UsageError."""
        self.entries += 1
        if self.entries > MOST_ENTRIES:
            raise UsageError(
                f"it holds more than {MOST_ENTRIES:,} files and directories", "pack the app alone"
            )

    def take(self, size: int) -> None:
        """Count unpacked bytes. Raises UsageError."""
        self.unpacked += size
        if self.unpacked > LARGEST_UNPACKED:
            raise UsageError(f"it unpacks to more than {LARGEST_UNPACKED:,} bytes", "pack the app alone")
        if self.packed and self.unpacked > max(RATIO_COUNTS_FROM, HIGHEST_RATIO * self.packed):
            raise UsageError(f"it unpacks to more than {HIGHEST_RATIO} times its size", "pack the app alone")


def unpack(archive: Path, to: Path) -> None:
    """Unpack an archive into a new folder. Raises UsageError, also for what is no archive."""
    to.mkdir()
    budget = Budget(packed=archive.stat().st_size)
    with archive.open("rb") as file:
        head = file.read(6)
        file.seek(0)
        kind = next((kind for magic, kind in MAGICS.items() if head.startswith(magic)), "tar")
        try:
            if kind == "zip":
                _unzip(Measured(file), to, budget)
            else:
                untar(_opened(file, kind), to, budget)
        except DAMAGED as error:
            remedy = "a zip archive, or tar with or without gzip, bzip2 or xz, is expected"
            raise UsageError(
                f"it cannot be unpacked: {plain(str(error) or 'it is damaged')}", remedy
            ) from None
        except OSError as error:  # gzip's BadGzipFile is one
            raise UsageError(f"it cannot be unpacked: {error.strerror or plain(str(error))}") from None


def untar(stream: IO[bytes], to: Path, budget: Budget) -> None:
    """Unpack a tar stream into a folder. Raises UsageError, and what DAMAGED lists."""
    measured = Measured(stream)
    measured.allowance = LARGEST_HEADER
    with tarfile.open(fileobj=measured, mode="r:") as tar:
        kept: Any = tar
        while member := tar.next():
            # They would grow without end.
            kept.members.clear()
            kept.pax_headers.clear()
            budget.enter()
            parts = safe_parts(member.name)
            if member.issym() or member.islnk():
                check_link(member.name, member.linkname, hard=member.islnk())
            elif member.isdir():
                to.joinpath(*parts).mkdir(parents=True, exist_ok=True)
            elif not member.isreg() or member.issparse():
                raise UsageError(
                    f"entry {member.name!r} is neither a file nor a directory", "pack the app alone"
                )
            else:
                measured.allowance = member.size + tarfile.RECORDSIZE
                content = tar.extractfile(member)
                _write(content, to, parts, budget) if content else None
            measured.allowance = LARGEST_HEADER
    while rest := stream.read(CHUNK):  # to the end, so that what was cut is noticed
        budget.take(len(rest))


def _unzip(file: Any, to: Path, budget: Budget) -> None:  # noqa: ANN401  (of the parts that zipfile uses)
    file.allowance = LARGEST_HEADER
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            budget.enter()
            parts = safe_parts(entry.filename)
            if entry.flag_bits & 1:
                raise UsageError(f"entry {entry.filename!r} is encrypted", "pack it without a password")
            if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise UsageError(f"entry {entry.filename!r} is compressed in an unusual way", "use deflate")
            file.allowance = entry.compress_size + LARGEST_HEADER
            kind = entry.external_attr >> 28  # the upper four bits of Unix' mode; 0 where it is not said
            if entry.is_dir():
                to.joinpath(*parts).mkdir(parents=True, exist_ok=True)
            elif kind == 0o12:
                check_link(entry.filename, _target(archive, entry, budget))
            elif kind not in {0, 0o10}:
                raise UsageError(f"entry {entry.filename!r} is neither a file nor a directory")
            else:
                with archive.open(entry) as content:
                    _write(content, to, parts, budget)


def _target(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: Budget) -> str:
    """Return where a link leads, which is its content. Raises UsageError for more than a path can hold."""
    with archive.open(entry) as content:
        target = content.read(LONGEST_TARGET + 1)
    budget.take(len(target))
    if len(target) > LONGEST_TARGET:
        raise UsageError(
            f"link {entry.filename!r} leads to a path of more than {LONGEST_TARGET:,} bytes",
            "pack the app alone",
        )
    return target.decode("utf-8")


def _write(content: IO[bytes], to: Path, parts: list[str], budget: Budget) -> None:
    if not parts:
        raise UsageError("an entry has no name")
    target = to.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("xb") as file:
            while piece := content.read(CHUNK):
                budget.take(len(piece))
                file.write(piece)
    except FileExistsError:
        raise UsageError(f"entry {'/'.join(parts)!r} occurs more than once") from None


def check_link(name: str, target: str, *, hard: bool = False) -> None:
    """Refuse a link that leads out of the archive; hard links count from its root. Raises UsageError."""
    base = "" if hard else posixpath.dirname(name)
    led = posixpath.normpath(posixpath.join(base, target))
    if target.startswith("/") or led == ".." or led.startswith("../"):
        raise UsageError(f"link {plain(name)!r} leads out of its directory, to {plain(target)!r}")


def app_folder(unpacked: Path, path: str) -> Path:
    """Return the app's folder: `path`, else the root, or the only folder in it. Raises UsageError."""
    parts = safe_parts(path)
    entries = [entry for entry in unpacked.iterdir() if entry.name not in {"__MACOSX", ".DS_Store"}]
    tops = [unpacked, *(entries if len(entries) == 1 and entries[0].is_dir() else [])]
    found: Iterator[Path] = (top.joinpath(*parts) for top in (tops if parts else reversed(tops)))
    folder = next((folder for folder in found if folder.is_dir()), None)
    if folder is None:
        known = ", ".join(sorted(plain(entry.name) for entry in entries)[:10]) or "nothing"
        raise UsageError(f"it has no directory {plain(path)!r}", f"at its top there is: {known}")
    return folder


def _opened(file: IO[bytes], kind: str) -> IO[bytes]:
    if kind == "gz":
        return gzip.open(file)  # type: ignore[return-value]
    if kind == "bz2":
        return bz2.open(file)
    return io.BufferedReader(_Xz(file), CHUNK) if kind == "xz" else file


class _Xz(io.RawIOBase):
    """Unpacks xz with little memory, whatever its header asks for."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  (anything that has a buffer)
        while not self._decompressor.eof:
            packed = self._file.read(CHUNK) if self._decompressor.needs_input else b""
            if not packed and self._decompressor.needs_input:
                raise EOFError("it ends in the middle")
            if data := self._decompressor.decompress(packed, len(buffer)):
                buffer[: len(data)] = data
                return len(data)
        return 0


class Measured(io.RawIOBase):
    """A stream that gives no more than its `allowance` until it is renewed, and goes forward without seeking.

    Both libraries read what an archive holds in whole pieces, whose sizes the archive says.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        plain_file = isinstance(stream, io.BufferedReader) and isinstance(stream.raw, io.FileIO)
        self._seeks = plain_file and stream.seekable()  # not a pipe; and unpacking goes on, never back
        self._at = 0
        self.allowance = 0

    def readable(self) -> bool:
        """Return True."""
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return whether its stream is a file."""
        """Return whether its stream is a file."""
        return self._seeks

    def tell(self) -> int:
        """Return the position in bytes."""
        """Return the position in bytes."""
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes. Raises UsageError for more than the allowance."""
        """Return up to `size` bytes. Raises UsageError for more than the allowance."""
        if size is None or size < 0 or size > self.allowance:
            size = self.allowance + 1
        data = self._stream.read(size)
        self.allowance -= len(data)
        self._at += len(data)
        if self.allowance < 0:
            raise UsageError("what it says of its entries is too long", "pack the app alone")
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go on to a position in bytes; a stream is read up to it. Raises EOFError for the way back."""
        """Go on to a position in bytes; a stream is read up to it. Raises EOFError for the way back."""
        if self._seeks:
            self._at = self._stream.seek(offset, whence)
            return self._at
        if whence != io.SEEK_SET or offset < self._at:
            raise EOFError("its entries are not in order")
        left = min(offset - self._at, LARGEST_UNPACKED)
        while left and (data := self._stream.read(min(left, CHUNK))):
            left -= len(data)
            self._at += len(data)
        return self._at
