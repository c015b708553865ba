"""What the logs of nodes on this machine say of a run: exceptions of ClientApps, which Flower may keep there.

With the older API (`flwr.client`), and where the app's module cannot be imported, the run's own log has no
exception (flwr 1.41). The marks of runs come from `flower/start/app_folder.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from flowerbed.flower.app_exceptions import CLIENT_RAISED, Raised
from flowerbed.flower.connection import Connection
from flowerbed.flower.start.app_folder import BEGINS
from flowerbed.flower.text import printable

READ = 1024 * 1024  # bytes from the end of a log
LEVEL = re.compile(r"(?:\x1b\[\d+m)?(?:DEBUG|INFO|WARNING|ERROR) ?(?:\x1b\[0m)?: *")
SUPEREXEC = "-superexec"


def client_errors(connection: Connection, run_id: str) -> dict[str, str]:
    """Return the exceptions that ended ClientApps of a run, by node, the last of each.

    Empty for a federation of another machine: the connection.toml of one here lies in its state folder.
    """
    if connection.file is None:
        return {}
    # users/default.toml or users/NAME/connection.toml of the state folder
    for state in connection.file.absolute().parents[1:3]:
        if (state / "nodes").is_dir():
            errors = ((node, _last(state / "logs", node, run_id)) for node in _nodes(state))
            return {node: words for node, words in errors if words}
    return {}


def _nodes(state: Path) -> list[str]:
    return sorted(folder.name for folder in (state / "nodes").iterdir())


def _last(logs: Path, node: str, run_id: str) -> str:
    for name in (node, f"{node}{SUPEREXEC}"):
        raised, ours = Raised(CLIENT_RAISED), False
        for line in _lines(logs / f"{name}.log"):
            if mark := BEGINS.fullmatch(line):
                ours = mark[1] == run_id
            elif ours:
                text = LEVEL.sub("", line, count=1)
                if text != line:  # another entry of the log: a traceback has no levels
                    raised.end()
                raised.read(text)
        if words := raised.last():
            return printable(words)
    return ""


def _lines(file: Path) -> Iterator[str]:
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, file.stat().st_size - READ))
            text = opened.read(READ).decode(errors="replace")
    except OSError:
        return
    yield from text.splitlines()
