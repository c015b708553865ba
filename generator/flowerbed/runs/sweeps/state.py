"""Where a sweep is, in a file beside the records, so that the same command resumes it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from flowerbed import documents
from flowerbed.errors import UsageError
from flowerbed.files import PRIVATE_MODE, make_private_folder, read_file, write_atomic
from flowerbed.flower.runs import Outcome

VERSION = 1


class Point(msgspec.Struct, kw_only=True):
    """A run of a sweep: `run_id` is "" before it is started, `exit_code` None before it has ended.

    `attempt` counts how often a run was given up for another one: it was stopped on Ctrl-C, went with its
    federation, or did not complete.
    """

    name: str
    settings: tuple[str, ...]
    attempt: int = 0
    run_id: str = ""
    status: str = ""
    reason: str = ""
    exit_code: int | None = None

    def end(self, outcome: Outcome) -> None:
        """Keep how it ended."""
        self.status, self.reason, self.exit_code = outcome.status, outcome.reason, outcome.exit_code

    def again(self) -> None:
        """Forget a run, so that another one is started."""
        self.attempt, self.exit_code = self.attempt + 1, None
        self.run_id = self.status = self.reason = ""


class Sweep(msgspec.Struct, kw_only=True):
    """A sweep: `token` tells it from every other one, `fingerprint` is that of the app and all settings."""

    version: int = VERSION
    name: str
    token: str
    fingerprint: str
    points: list[Point]

    def key(self, point: Point) -> str:
        """Return the key that makes the submission of a run idempotent."""
        return f"sweep {self.token} {point.name} {point.attempt}"

    @property
    def exit_code(self) -> int:
        """Return 0 if all runs completed, else the highest exit code of a run."""
        return max((point.exit_code or 0 for point in self.points), default=0)


def file_of(root: Path, name: str) -> Path:
    """Return the file that holds a sweep's state."""
    return root / f"sweep-{name.replace('/', '_')}.json"


def fingerprint(fab_hash: str, config: Path | None, points: Sequence[tuple[str, ...]]) -> str:
    """Return a hash of what is run: the app, the file with run config, and each run's settings."""
    text = config.read_text(encoding="utf-8-sig") if config else ""
    told = json.dumps([fab_hash, text, points], separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()


def opened(
    root: Path, name: str, print_of_it: str, settings: Sequence[tuple[str, ...]], *, restart: bool = False
) -> tuple[Sweep, bool]:
    """Return the sweep of a name, and whether it was there before; `restart` begins it anew.

    Raises UsageError if another app or other settings were swept under this name.
    """
    file = file_of(root, name)
    found = None if restart else read_file(file, PRIVATE_MODE)
    if found is None:
        width = len(str(len(settings)))
        points = [
            Point(name=f"{name}-{at:0{width}}", settings=each) for at, each in enumerate(settings, start=1)
        ]
        made = Sweep(name=name, token=secrets.token_hex(8), fingerprint=print_of_it, points=points)
        return made, False
    try:
        sweep = documents.decode(found.data, Sweep)
    except ValueError as error:
        raise UsageError(f"this is not the state of a sweep: {error}", where=str(file)) from None
    if sweep.fingerprint != print_of_it:
        raise UsageError(
            f"the sweep {name} was begun with another app, --config or --set",
            where=str(file),
            remedy="--name NAME starts another sweep, --restart starts this one again",
        )
    return sweep, True


@contextmanager
def claimed(root: Path, name: str) -> Iterator[None]:
    """Hold a sweep for this process, as long as it lives. Raises UsageError if another process holds it."""
    make_private_folder(root)
    file = file_of(root, name)
    lock = file.with_name(f".{file.name}.lock")
    with os.fdopen(
        os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_MODE)
    ) as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"another process runs the sweep {name}",
                where=str(file),
                remedy="wait for its end, or give this one another --name",
            ) from None
        yield


def saver(root: Path, sweep: Sweep) -> Callable[[], None]:
    """Return what writes a sweep's state, whole or not at all."""

    def save() -> None:
        make_private_folder(root)
        write_atomic(file_of(root, sweep.name), documents.encode(sweep), PRIVATE_MODE)

    return save
