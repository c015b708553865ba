"""Runs and nodes as the SuperLink knows them, and what is kept, shown and made of runs.

`control` reads and changes runs by the SuperLink's Control API; its functions are here by their names.
`metrics` has the figures of a run's log, `report` shows them, `records` keeps runs in a directory, `sweeps`
starts many, `live` shows those that go on, and `client` has all of that as objects for notebooks.
"""

from flowerbed.runs.control import (
    NodeRecord,
    NodeStatus,
    RunEnd,
    RunFilter,
    RunRecord,
    RunStatus,
    find_runs,
    follow,
    get_run,
    list_nodes,
    list_runs,
    load_connection,
    nodes_of,
    read_log,
    run_and_log,
    run_number,
    stop,
    submit,
)

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
