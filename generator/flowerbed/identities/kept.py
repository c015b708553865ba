"""What all parties' identities share: the lock, reading what is kept, and telling about it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flowerbed.errors import IdentityError
from flowerbed.files import PRIVATE_MODE, PUBLIC_MODE, make_private_folder, read_file, write_atomic
from flowerbed.identities.certificates import KeyPair
from flowerbed.identities.events import Event, Tell
from flowerbed.identities.manifest import Secret, parse, render

LOCK_SECONDS = 60.0


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the federation's folder for one writer; it is made where it is missing.

    Two files of a pair cannot change in one step, so writers, and readers of pairs, take turns.
    Raises IdentityError when another process keeps the folder for longer than a minute.
    """
    file = folder / ".lock"
    try:
        descriptor = _open_lock(file)
    except FileNotFoundError:
        make_private_folder(folder)
        descriptor = _open_lock(file)
    try:
        _wait(descriptor, file)
        yield
    finally:
        os.close(descriptor)


def _open_lock(file: Path) -> int:
    return os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_MODE)


def _wait(descriptor: int, file: Path) -> None:
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise IdentityError(
                    "another flowerbed is at work in this folder",
                    where=str(file.parent),
                    remedy="wait for it to end, or end it, and run the command again",
                ) from None
            time.sleep(0.02)
        else:
            return


def read_private(path: Path, tell: Tell) -> bytes | None:
    """Return a secret file's bytes, or None where there is none; a too open mode is tightened and told."""
    found = read_file(path, PRIVATE_MODE)
    if found is None:
        return None
    if found.too_open:
        reason = f"other accounts could read it (mode {found.too_open:04o}); if one may have, replace the key"
        tell(Event("tightened", "access", path, reason))
    return found.data


def read_public(path: Path) -> bytes | None:
    """Return a public file's bytes, or None where there is none."""
    found = read_file(path, PUBLIC_MODE)
    return found.data if found else None


def read_secrets(path: Path, tell: Tell) -> tuple[Secret, ...]:
    """Return the Secrets of a manifest that is kept at `path`; none where there is no file."""
    data = read_private(path, tell)
    return parse(data, path) if data is not None else ()


def write_secrets(path: Path, secrets: Iterable[Secret], *, replaces_keys: bool) -> bool:
    """Write a manifest and return whether it changed.

    Only where the file already held keys in use must the new one outlive a power cut: keys that were made a
    moment ago and that nobody has seen can be made again, and thousands of them should not wait for a disk.
    """
    make_private_folder(path.parent)
    return write_atomic(path, render(secrets), PRIVATE_MODE, durable=replaces_keys)


def read_halves(certificate: Path, key: Path, tell: Tell) -> tuple[bytes, bytes] | None:
    """Return certificate and key, or None where neither is there; raise IdentityError for one alone."""
    halves = read_public(certificate), read_private(key, tell)
    if halves[0] is not None and halves[1] is not None:
        return halves[0], halves[1]
    if halves[0] is None and halves[1] is None:
        return None
    there, missing = (certificate, key) if halves[1] is None else (key, certificate)
    raise IdentityError(
        f"half a pair: {missing.name} is missing beside it",
        where=str(there),
        remedy=f"put {missing.name} back, or delete {there.name} and run `flowerbed generate` again",
    )


def warn_of_expiry(pair: KeyPair, what: str, file: Path, tell: Tell) -> None:
    """Tell that a certificate ends soon."""
    left = pair.days_left()
    if left is not None:
        tell(Event("expiring", what, file, f"{left} days left"))
