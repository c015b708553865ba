"""What is installed for this Python, by the names of `*.dist-info` directories (PEP 376, PEP 427).

`importlib.metadata` knows the same, but its import takes a tenth of the time until a run's id is there.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
from pathlib import Path

_SUFFIX = ".dist-info"


def canonical(name: str) -> str:
    """Return a project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@functools.cache
def _directories() -> dict[str, Path]:
    """Return the metadata directory of each project by its name; the first on `sys.path` counts."""
    found: dict[str, Path] = {}
    for place in sys.path:
        with contextlib.suppress(OSError), os.scandir(place or ".") as listed:
            for entry in listed:
                if entry.name.endswith(_SUFFIX):
                    found.setdefault(canonical(entry.name.partition("-")[0]), Path(entry.path))
    return found


def version_of(project: str) -> str:
    """Return the installed version of a project, "" where none is installed from a wheel."""
    directory = _directories().get(canonical(project))
    return directory.name.removesuffix(_SUFFIX).partition("-")[2] if directory else ""


def headers_of(project: str) -> str:
    """Return the headers of a project's METADATA without its description, "" where there is none."""
    directory = _directories().get(canonical(project))
    if directory is None:
        return ""
    try:
        return (directory / "METADATA").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        return ""
