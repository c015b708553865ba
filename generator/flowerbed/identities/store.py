"""The store of identities: its lock, reading and writing what it keeps, and events that callers hear of."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from flowerbed.errors import IdentityError
from flowerbed.files import PRIVATE_MODE, PUBLIC_MODE, make_private_folder, read_file, write_atomic
from flowerbed.identities.secret_manifest import Secret, parse, render

if TYPE_CHECKING:  # it imports `cryptography`, which a generation that changes nothing does without
    from flowerbed.identities.certificates import KeyPair, KeyPairLocation

LOCK_TIMEOUT = 60.0
_LOCK_POLL_INTERVAL = 0.02
_LOCK_NAME = ".lock"
# Which threads of this process hold which folders as writers.
_HOLDERS: set[tuple[int, Path]] = set()

EventKind = Literal["made", "renewed", "retired", "removed", "tightened", "expiring", "revoked"]


@dataclass(frozen=True, slots=True)
class Event:
    """One identity was made, renewed, set aside or deserves a look; `reason` says why, in words."""

    kind: EventKind
    what: str
    file: Path
    reason: str = ""

    @property
    def warning(self) -> bool:
        """Return whether a person should read this even when everything else goes unsaid."""
        return self.kind in {"tightened", "expiring", "retired", "revoked"}

    def __str__(self) -> str:
        text = f"{self.file}: {self.what} {self.kind}"
        return f"{text}: {self.reason}" if self.reason else text


Tell = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Take an event and do nothing: for callers that do not narrate."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the federation's folder for one writer; the folder is made where it is missing.

    Two files of a pair cannot change in one step, so writers and readers of pairs take turns. A thread that
    holds the folder already goes on holding it. Raises IdentityError when others keep it for over a minute.
    """
    if _holder(folder) in _HOLDERS:
        yield
        return
    make_private_folder(folder)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with _held(os.open(folder / _LOCK_NAME, flags, PRIVATE_MODE), fcntl.LOCK_EX, folder):
        _HOLDERS.add(_holder(folder))
        try:
            yield
        finally:
            _HOLDERS.discard(_holder(folder))


@contextmanager
def shared(folder: Path) -> Iterator[None]:
    """Keep writers out of the federation's folder while it is read; nothing is made."""
    if _holder(folder) in _HOLDERS:
        yield
        return
    try:
        descriptor = os.open(folder / _LOCK_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:  # nobody ever wrote here
        yield
        return
    with _held(descriptor, fcntl.LOCK_SH, folder):
        yield


@contextmanager
def _held(descriptor: int, kind: int, folder: Path) -> Iterator[None]:
    try:
        end = time.monotonic() + LOCK_TIMEOUT
        while not _lock(descriptor, kind):
            if time.monotonic() > end:
                remedy = "wait for it to end, or end it, and run the command again"
                raise IdentityError(
                    "another flowerbed process is working in this directory", where=str(folder), remedy=remedy
                )
            time.sleep(_LOCK_POLL_INTERVAL)
        yield
    finally:
        os.close(descriptor)


def _holder(folder: Path) -> tuple[int, Path]:
    return threading.get_ident(), folder


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_private(path: Path, tell: Tell) -> bytes | None:
    """Return a secret file's bytes, or None where there is none; a too open mode is tightened and told."""
    file = read_file(path, PRIVATE_MODE)
    if file is None:
        return None
    if file.too_open:
        reason = f"other accounts could read it (mode {file.too_open:04o}); if one did, replace what it holds"
        tell(Event("tightened", "mode", path, reason))
    return file.data


def read_secrets(path: Path, tell: Tell) -> tuple[Secret, ...]:
    """Return the Secrets of the manifest at `path`; none where there is no file."""
    data = read_private(path, tell)
    return parse(data, path) if data is not None else ()


def write_secrets(path: Path, secrets: Iterable[Secret], *, replaces_keys: bool) -> bool:
    """Write a manifest and return whether it changed.

    Only where the file held keys that are in use must the new one outlive a power cut: keys that were made a
    moment ago and that nobody has seen can be made again, and thousands of them should not wait for a disk.
    """
    make_private_folder(path.parent)
    return write_atomic(path, render(secrets), PRIVATE_MODE, durable=replaces_keys)


def foreign_secret(path: Path) -> IdentityError:
    """Return the error for a manifest that holds more than Flowerbed writes into it."""
    what = "this file holds a Secret or an entry that flowerbed did not put there"
    return IdentityError(what, where=str(path), remedy="keep Secrets of your own in a file of their own")


def read_halves(place: KeyPairLocation, tell: Tell) -> tuple[bytes, bytes] | None:
    """Return certificate and key, or None where neither is there; raise IdentityError for one alone."""
    certificate = read_file(Path(place.certificate), PUBLIC_MODE)
    key = read_private(Path(place.private_key), tell)
    if certificate is not None and key is not None:
        return certificate.data, key
    if certificate is None and key is None:
        return None
    present, missing = place.certificate, place.private_key
    if certificate is None:
        present, missing = missing, present
    what = f"half a pair: {Path(missing).name} is missing beside it"
    raise IdentityError(what, where=present, remedy=place.remedy)


def write_halves(pair: KeyPair, place: KeyPairLocation, *, durable: bool = False) -> None:
    """Write key and certificate: first to a note, from which the next run finishes what was cut in two."""
    make_private_folder(Path(place.private_key).parent)
    write_atomic(_note(place), pair.private_key + pair.certificate, PRIVATE_MODE, durable=durable)
    finish_halves(place, durable=durable)


def finish_halves(place: KeyPairLocation, *, durable: bool = False) -> None:
    """Finish a `write_halves` that a kill or an error cut in two; only for the folder's writer."""
    note = read_file(_note(place), PRIVATE_MODE)
    if note is None:
        return
    key, begin, rest = note.data.partition(b"-----BEGIN CERTIFICATE-----")
    # A note without its end was lost in a power cut, which leaves nothing to finish.
    if rest.endswith(b"-----END CERTIFICATE-----\n"):
        write_atomic(Path(place.private_key), key, PRIVATE_MODE, durable=durable)
        write_atomic(Path(place.certificate), begin + rest, durable=durable)
    _note(place).unlink()


def _note(place: KeyPairLocation) -> Path:
    key = Path(place.private_key)
    return key.with_name(f".{key.name}.pair")


def warn_of_expiry(pair: KeyPair, place: KeyPairLocation, tell: Tell) -> None:
    """Tell that a certificate ends soon."""
    left = pair.days_left()
    if left is not None:
        reason = f"{left} day{'s' * (left != 1)} left, until {pair.not_after:%Y-%m-%d}"
        tell(Event("expiring", place.what, Path(place.certificate), reason))
