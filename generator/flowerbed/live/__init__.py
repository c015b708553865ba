"""What is shown of a run while it is followed: a table on a terminal, or in a notebook."""

from __future__ import annotations

from collections.abc import Callable

from flowerbed.flower.watcher import Watcher


def progress_of(progress: bool | None) -> tuple[Watcher, Callable[[str], None]]:
    """Return what shows a run while it is followed, and a function that takes lines of narration.

    None means in a notebook only, False nowhere, True wherever this process runs.
    """
    from flowerbed.flower.follow import SILENTLY

    silent = SILENTLY.say
    if progress is False:
        return Watcher(), silent
    from flowerbed.live.notebook import NotebookTable, in_notebook

    if in_notebook():
        return NotebookTable(), silent
    if progress is None:
        return Watcher(), silent
    from flowerbed.flower.console import say
    from flowerbed.live.terminal import RoundsTable, watcher

    found = watcher(plain=False)
    return found, silent if isinstance(found, RoundsTable) else say
