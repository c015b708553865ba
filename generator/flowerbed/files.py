"""Files that are whole or absent: atomic writes, private folders, reads that tighten a too open mode.

Every writer of the package goes through `write_atomic`, so a reader never meets half a file, and a file
whose bytes stay equal keeps its place and its time stamp.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from flowerbed.errors import FlowerbedError, UnreadableError

PUBLIC_MODE = 0o644
PRIVATE_MODE = 0o600
FOLDER_MODE = 0o700

# O_NONBLOCK: opening a pipe that lies at the path must not wait for its other end.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it was met; `too_open` is the mode it had, where that had to be tightened, else 0."""

    data: bytes = field(repr=False)
    too_open: int = 0


def write_atomic(path: Path, data: bytes, mode: int = PUBLIC_MODE, *, durable: bool = False) -> bool:
    """Make `path` a plain file with these bytes and return whether its bytes changed.

    The bytes go to a new file in the same folder, which has `mode` from its creation on (less what the
    umask takes away) and is then renamed onto `path`. Equal bytes are left alone; a mode that is more open
    than `mode` is tightened either way. `durable` makes the write outlive a power cut before it returns: that
    costs milliseconds, so it is for bytes that nobody could make again.
    Raises FlowerbedError where anything but a plain file is in the way, or the write fails.
    """
    present = read_file(path, mode)
    if present is not None and present.data == data:
        return False
    try:
        _replace(path, data, mode, durable)
    except OSError as error:
        _refuse(path, "cannot be written", error)
    return True


def read_file(path: Path, mode: int) -> Found | None:
    """Return the plain file at `path`, or None where nothing is; a mode more open than `mode` is tightened.

    Raises UnreadableError where something else than a plain file lies there, or it cannot be read.
    """
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        return None
    except OSError as error:
        _refuse(path, "cannot be read", error)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            _refuse_kind(path, status.st_mode)
        too_open = _tighten(descriptor, path, status.st_mode, mode)
        return Found(_read_all(descriptor, status.st_size), too_open)
    except OSError as error:
        _refuse(path, "cannot be read", error)
    finally:
        os.close(descriptor)


def make_private_folder(path: Path) -> int:
    """Make a folder that only its owner may enter, with the missing ones above it.

    Returns the mode of a folder that was there and had to be tightened, else 0. Folders above it that exist
    are left as they are. Raises FlowerbedError where a file is in the way or the folder cannot be made.
    """
    try:
        _make_missing(path)
        mode = path.stat().st_mode
        if not stat.S_ISDIR(mode):
            raise FlowerbedError(
                "a directory is expected here, but this is a file", where=str(path), remedy=_MOVE
            )
        if not mode & 0o077:
            return 0
        path.chmod(mode & FOLDER_MODE)
        return stat.S_IMODE(mode)
    except OSError as error:
        _refuse(path, "the permissions of this directory cannot be restricted", error)


_MOVE = "move it away and run the command again"


def _make_missing(path: Path) -> None:
    try:
        path.mkdir(mode=FOLDER_MODE)
    except FileExistsError:
        return
    except FileNotFoundError:
        _make_missing(path.parent)
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)


def _replace(path: Path, data: bytes, mode: int, durable: bool) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(temporary, _CREATE, mode)
    try:
        try:
            _write_all(descriptor, data)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.rename(path)
    except BaseException:  # an interrupt, too, must not leave a stray file, which may hold a secret
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _read_all(descriptor: int, size: int) -> bytes:
    # One byte more than the size: the read that comes back short has seen the end.
    chunks = []
    while chunk := os.read(descriptor, size + 1):
        chunks.append(chunk)
        if len(chunk) <= size:
            break
    return b"".join(chunks)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _tighten(descriptor: int, path: Path, present: int, mode: int) -> int:
    if not stat.S_IMODE(present) & ~mode:
        return 0
    try:
        os.fchmod(descriptor, stat.S_IMODE(present) & mode)
    except PermissionError:
        owner = f"mode {stat.S_IMODE(present):04o}, and it belongs to another account"
        raise UnreadableError(
            f"is open to other accounts ({owner})",
            where=str(path),
            remedy=f"let its owner run `chmod {mode:o}` on it, or copy it",
        ) from None
    return stat.S_IMODE(present)


def _refuse_kind(path: Path, mode: int) -> NoReturn:
    kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
    raise UnreadableError(f"a file belongs here, but this is {kind}", where=str(path), remedy=_MOVE)


def _refuse(path: Path, what: str, error: OSError) -> NoReturn:
    # ELOOP is how O_NOFOLLOW says that the last part of the path is a symbolic link.
    if error.errno == errno.ELOOP:
        what, reason = "a file belongs here, but this is a symbolic link", ""
    else:
        reason = f": {error.strerror}"
    remedy = _MOVE if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EISDIR} else ""
    kind = UnreadableError if "read" in what or not reason else FlowerbedError
    raise kind(f"{what}{reason}", where=str(path), remedy=remedy) from None
