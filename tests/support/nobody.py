"""Another account, in a process of its own: spawned processes import what they run by its name."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

from flowerbed import files
from flowerbed.errors import FlowerbedError


def read_as_nobody(path: str, results: multiprocessing.Queue[str]) -> None:
    """Read a private file as `nobody`; put "read", or the error, into `results`."""
    os.setgid(65534)
    os.setuid(65534)
    try:
        files.read_file(Path(path), files.PRIVATE_MODE)
        results.put("read")
    except FlowerbedError as error:
        results.put(str(error))
