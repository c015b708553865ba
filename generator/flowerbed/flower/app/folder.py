"""An app's directory, read so that nothing in it is waited for or followed elsewhere."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .checks import LARGEST_PYPROJECT, PYPROJECT, checked


def checked_folder(path: Path, here: frozenset[str]) -> dict[str, Any]:
    """Return a folder's pyproject.toml. Raises UsageError, with the apps below it if it is none itself."""
    try:
        return checked(path, lambda name, limit: read_file(path / name, limit), here)
    except UsageError as error:
        below = [] if _is_app(path / PYPROJECT) else apps_below(path, here)
        if not below:
            raise
        remedy = f"there is an app in {' and in '.join(below)}: name that directory, or add --path {below[0]}"
        raise UsageError(error.what, remedy) from None


def apps_below(path: Path, here: frozenset[str]) -> list[str]:
    """Return the directories below one that are Flower apps, nearest first; 5 at most."""
    found = [file.removesuffix(f"/{PYPROJECT}") for file in here if file.endswith(f"/{PYPROJECT}")]
    found.sort(key=lambda folder: (folder.count("/"), folder))
    return [folder for folder in found[:100] if _is_app(path / folder / PYPROJECT)][:5]


def _is_app(file: Path) -> bool:
    with contextlib.suppress(UsageError):
        return b"tool.flwr" in (read_file(file, LARGEST_PYPROJECT) or b"")
    return True


def read_file(file: Path, limit: int) -> bytes | None:
    """Return an ordinary file's content, None where there is none. Raises UsageError."""
    try:
        # Without waiting for whoever would write into a pipe.
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as opened:
            found = os.fstat(opened.fileno())
            if not stat.S_ISREG(found.st_mode):
                return None
            if found.st_size > limit:
                raise UsageError(f"{file.name} is {found.st_size:,} bytes long; at most {limit:,} are read")
            return opened.read(limit)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    except OSError as error:
        if file.is_symlink():
            raise UsageError(
                f"{file.name} is a symbolic link, which Flower does not pack: put the file there"
            ) from None
        raise UsageError(f"{file}: {error.strerror}") from None
