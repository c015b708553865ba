"""What is shown of a run while it is followed: a table on a terminal, or in a notebook."""

from __future__ import annotations

from collections.abc import Callable

from flowerbed.flower.watcher import Watcher


def progress_of(progress: bool | None) -> tuple[Watcher, Callable[[str], None]]:
    """Return what shows a run while it is followed, and a function that takes lines of narration.

    None means in a notebook only, False nowhere, True wherever this process runs.
    """
    if progress is False:
        return Watcher(), _unheard
    from flowerbed.runs.live.notebook import NotebookTable, in_notebook

    if in_notebook():
        return NotebookTable(), _unheard
    if progress is None:
        return Watcher(), _unheard
    from flowerbed.flower.console import say
    from flowerbed.runs.live.terminal import RoundsTable, watcher

    found = watcher(plain=False)
    return found, _unheard if isinstance(found, RoundsTable) else say


def _unheard(_: str) -> None:
    """Take what nobody wants to hear."""
