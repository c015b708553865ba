"""What is added to the processes that run apps, whichever way they were started."""

from __future__ import annotations

from . import app_ends, app_folder, app_loading, app_replies, app_starts, app_stop, pace


def add(program: str) -> None:
    """Add all parts to this process, which runs `program`, a key of hooks.APPS, before it runs it."""
    app_starts.begin(program)
    app_ends.begin(program)
    app_replies.count(program)
    app_loading.reveal(program)
    app_folder.start(program)
    app_stop.watch_app(program)
    if pace.wanted():
        pace.app(program)
