"""Backups of the local federation, whose database lies on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from flowerbed.backups.archive import Manifest, Progress, opened, write
from flowerbed.errors import LocalError
from flowerbed.files import make_private_folder
from flowerbed.flower.programs.superlink_state import StateError, copied, put
from flowerbed.local.state import StateDirectory


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
