"""Runs and nodes as the SuperLink knows them, and what is kept, shown and made of runs.

`control` reads and stops runs by the SuperLink's Control API, `submission` starts and follows them; the names
of both are here, resolved on first use. `metrics` has the figures of a run's log, `report` shows them,
`records` keeps runs in a directory, `sweeps` starts many, `live` shows those that go on, `client` has all of
that as objects for notebooks.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowerbed.runs.control import (
        find_runs,
        get_run,
        list_nodes,
        list_runs,
        load_connection,
        nodes_of,
        read_log,
        run_and_log,
        run_number,
        stop,
    )
    from flowerbed.runs.model import NodeRecord, NodeStatus, RunEnd, RunFilter, RunRecord, RunStatus
    from flowerbed.runs.submission import follow, submit

_HOMES = {
    "NodeRecord": "model",
    "NodeStatus": "model",
    "RunEnd": "model",
    "RunFilter": "model",
    "RunRecord": "model",
    "RunStatus": "model",
    "find_runs": "control",
    "follow": "submission",
    "get_run": "control",
    "list_nodes": "control",
    "list_runs": "control",
    "load_connection": "control",
    "nodes_of": "control",
    "read_log": "control",
    "run_and_log": "control",
    "run_number": "control",
    "stop": "control",
    "submit": "submission",
}

__all__ = [
    "NodeRecord",
    "NodeStatus",
    "RunEnd",
    "RunFilter",
    "RunRecord",
    "RunStatus",
    "find_runs",
    "follow",
    "get_run",
    "list_nodes",
    "list_runs",
    "load_connection",
    "nodes_of",
    "read_log",
    "run_and_log",
    "run_number",
    "stop",
    "submit",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
