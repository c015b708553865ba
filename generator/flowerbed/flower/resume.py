"""The files of an earlier run, for a run that goes on from them: they travel in the FAB.

Flower has no other way from a submitter to a ServerApp. They lie below FILES, where no app has anything; the
ServerApp's process puts them into its working folder before the app is loaded (app_folder.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .app.app import App
from .app.build import LARGEST_FAB
from .app.fab import rewritten
from .errors import UsageError

FILES = ".flowerbed/files/"  # as app_folder.FILES_IN_FAB


def resuming(app: App, files: Mapping[str, bytes]) -> App:
    """Return an app that carries files, by name (`out/model.npz`). Raises UsageError if that is too much."""
    if not files:
        return app
    placed = {f"{FILES}{name}": content for name, content in files.items()}
    fab = rewritten(app.fab, lambda contents: contents | placed)
    if len(fab) > LARGEST_FAB:
        size = sum(map(len, files.values()))
        raise UsageError(
            f"the files of the earlier run have {size:,} bytes, the FAB would have {len(fab):,} with them, "
            f"and Flower takes {LARGEST_FAB:,}",
            "keep large files on a volume or in an object store that the app reads itself",
        )
    return replace(app, fab=fab, files=app.files | {name: len(content) for name, content in placed.items()})
