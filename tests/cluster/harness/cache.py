"""Where built things lie, by the hash of what they were built from; and the locks of all who build."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
COMPONENTS = HERE.parent / "components"


class HarnessError(Exception):
    """The cluster cannot be had or broke; the text says what, and what to do."""


def say(text: str) -> None:
    """Print progress to stderr."""
    sys.stderr.write(f"cluster: {text}\n")


def root() -> Path:
    """Return the folder of everything that the harness keeps."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("FLOWERBED_CACHE") or f"{home}/flowerbed") / "cluster"


def digest(*parts: Path | str) -> str:
    """Return 12 hex digits of the contents of files and of texts."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        found.update(b"\0")
    return found.hexdigest()[:12]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`; wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def try_lock(path: Path) -> int | None:
    """Take the lock file at `path` until this process ends; return a descriptor, or None if it is taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def built(name: str, key: str, what: str, build: Callable[[Path], None]) -> Path:
    """Return the folder `name`-`key` of the cache, made by `build(folder)` if it is not there.

    It appears in one piece: a build that broke off leaves a `.part`, which the next one removes.
    """
    target = root() / f"{name}-{key}"
    if target.is_dir():
        return target
    with locked(root() / f".{name}.lock"):
        if target.is_dir():
            return target
        for broken in root().glob(f".{name}-*.part"):
            shutil.rmtree(broken)
        part = target.with_name(f".{target.name}.part")
        part.mkdir(parents=True)
        say(f"building {what} (once)")
        start = time.monotonic()
        build(part)
        part.rename(target)
        say(f"built {what}: {time.monotonic() - start:.0f} s")
    return target
