"""Runs and nodes, read and stopped through the SuperLink's Control API (`flower/runs.py`).

Every function takes the connection of a user and raises UnreachableError, NotAllowedError or UsageError.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from flowerbed.errors import UnreachableError, UsageError
from flowerbed.flower import nodes, runs
from flowerbed.flower.app.run_config import Scalar
from flowerbed.flower.client import FlowerClient
from flowerbed.flower.connection import Connection
from flowerbed.runs.model import NodeRecord, RunEnd, RunFilter, RunRecord, RunStatus

PAGE = 200  # runs that are asked for at once
# How long to wait for the log of a run that has said nothing yet, in seconds.
LOG_WAIT = 2.0


def load_connection(file: Path) -> Connection:
    """Read a connection.toml. Raises UsageError."""
    return Connection.load(file)


def list_runs(connection: Connection, limit: int | None = None) -> list[RunRecord]:
    """Return the latest runs, newest first; without `limit` as many as Flower gives (20)."""
    with FlowerClient(connection) as client:
        return [_run_record(run) for run in runs.runs(client, limit=limit)]


def find_runs(
    connection: Connection, wanted: RunFilter, limit: int, timeout: float | None = None
) -> list[RunRecord]:
    """Return the latest `limit` of the wanted runs, newest first; older ones are read page by page.

    `timeout` bounds each wait in seconds (None: 30).
    """
    found: list[RunRecord] = []
    seen: set[str] = set()
    with FlowerClient(connection, timeout or 30.0) as client:
        while len(found) < limit:
            page = [_run_record(run) for run in runs.runs(client, limit=PAGE, skip=len(seen))]
            # A run that is submitted meanwhile moves the others on by one.
            fresh = [run for run in page if run.run_id not in seen]
            found += filter(wanted.takes, fresh)
            seen |= {run.run_id for run in fresh}
            if len(page) < PAGE or not fresh or wanted.is_before(page[-1]):
                break
    return found[:limit]


def get_run(connection: Connection, run_id: str) -> RunRecord:
    """Return one run. Raises UsageError if the SuperLink does not know it."""
    with FlowerClient(connection) as client:
        return _run_record(runs.runs(client, run_number(run_id))[0])


def read_log(connection: Connection, run_id: str) -> str:
    """Return a run's log: all of it once the run has finished, else what there is by now."""
    if get_run(connection, run_id).status == "finished":
        with FlowerClient(connection) as client:
            return "".join(text for text, _ in runs.log(client, run_number(run_id)))
    # The SuperLink first sends all that it has, in one piece, then holds the stream open for more.
    with FlowerClient(connection, timeout=LOG_WAIT) as client:
        try:
            return next(runs.log(client, run_number(run_id)), ("", 0.0))[0]
        except UnreachableError:
            return ""


def run_and_log(connection: Connection, run_id: str) -> tuple[RunRecord, str]:
    """Return a run and its log as they go together: a run that ends meanwhile is read again."""
    record = get_run(connection, run_id)
    while True:
        log = read_log(connection, run_id)
        status, record = record.status, get_run(connection, run_id)
        if record.status == status:
            return record, log


def list_nodes(connection: Connection, timeout: float = 30.0) -> list[NodeRecord]:
    """Return all SuperNodes that were ever registered, by name; `timeout` (seconds) bounds each wait."""
    with FlowerClient(connection, timeout) as client:
        return nodes_of(client)


def nodes_of(client: FlowerClient) -> list[NodeRecord]:
    """Return all SuperNodes by name, asked with a client that is open. Raises the client's own errors."""
    records = [
        NodeRecord(
            node_id=str(node.node_id),
            name=node.name,
            status=node.status,
            public_key=node.public_key.decode(errors="replace"),
            last_activated_at=node.last_activated_at,
            online_until=node.online_until,
        )
        for node in nodes.node_list(client)
    ]
    return sorted(records, key=lambda node: (node.name, node.node_id))


def stop(connection: Connection, run_id: str) -> bool:
    """Stop a run; False if it had finished before, which is no error."""
    with FlowerClient(connection) as client:
        return runs.stop(client, run_number(run_id))


def run_number(run_id: str) -> int:
    """Return a run's id as Flower's number. Raises UsageError."""
    if not run_id.isascii() or not run_id.isdecimal() or int(run_id) >= 2**64:
        raise UsageError(f"{run_id!r} is not the id of a run", remedy="`flowerbed runs` lists them")
    return int(run_id)


def _run_record(run: Any) -> RunRecord:  # noqa: ANN401  (Flower's message has no types)
    texts = ("pending_at", "starting_at", "running_at", "finished_at", "fab_id", "fab_version", "fab_hash")
    return RunRecord(
        run_id=str(run.run_id),
        status=cast(RunStatus, run.status.status),
        sub_status=cast(RunEnd, run.status.sub_status),
        details=run.status.details,
        overrides=_overrides(run),
        bytes_sent=run.bytes_sent,
        bytes_received=run.bytes_recv,
        computing=run.clientapp_runtime,
        **{name: getattr(run, name) for name in texts},
    )


def _overrides(run: Any) -> dict[str, Scalar]:  # noqa: ANN401  (Flower's message has no types)
    kinds = {"double", "sint64", "bool", "string"}
    found = {key: (value, value.WhichOneof("scalar")) for key, value in run.override_config.items()}
    return {key: getattr(value, kind) for key, (value, kind) in sorted(found.items()) if kind in kinds}
