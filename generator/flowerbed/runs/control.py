"""Runs and nodes as the SuperLink knows them, read through its Control API (`flower/runs.py`).

Every function takes the connection of a user and raises UnreachableError, NotAllowedError or UsageError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from flowerbed.errors import UnreachableError, UsageError
from flowerbed.flower import client as flower_client
from flowerbed.flower import follow as flower_follow
from flowerbed.flower import idempotency as flower_idempotency
from flowerbed.flower import nodes as flower_nodes
from flowerbed.flower import resume as flower_resume
from flowerbed.flower import runs as flower_runs
from flowerbed.flower.app import app as flower_app
from flowerbed.flower.app.run_config import Scalar
from flowerbed.flower.connection import Connection
from flowerbed.flower.source import prepare as flower_prepare
from flowerbed.flower.source.inline import Inline
from flowerbed.flower.source.request import Prepared, Request, Source

RunStatus = Literal["pending", "starting", "running", "finished"]
RunEnd = Literal["", "completed", "failed", "stopped"]
NodeStatus = Literal["online", "offline", "registered", "unregistered"]
Started = Callable[[int, flower_app.App, Source, dict[str, Scalar]], None]
PAGE = 200  # runs that are asked for at once
# How long to wait for the log of a run that has said nothing yet, in seconds.
LOG_WAIT = 2.0


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A run; times are ISO 8601 in UTC, "" while they have not come (flwr 1.41: run_pb2.Run).

    `overrides` is what was set of the run config, whoever submitted the run; `bytes_sent` to nodes and
    `bytes_received` from them; `computing` the seconds that ClientApps took, all nodes together.
    """

    run_id: str
    status: RunStatus
    sub_status: RunEnd
    details: str
    pending_at: str
    starting_at: str
    running_at: str
    finished_at: str
    fab_id: str
    fab_version: str
    fab_hash: str
    overrides: dict[str, Scalar] = {}
    bytes_sent: int = 0
    bytes_received: int = 0
    computing: float = 0.0

    @property
    def outcome(self) -> str:
        """Return the one word that says most: how the run ended, else where it is."""
        return self.sub_status or self.status


class NodeRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A SuperNode; `public_key` is the PEM text that it was registered with, "" for an anonymous one.

    `last_activated_at` is ISO 8601 in UTC, `online_until` in seconds since 1970; "" and 0 before it came.
    """

    node_id: str
    name: str
    status: NodeStatus
    public_key: str
    last_activated_at: str = ""
    online_until: float = 0.0


def load_connection(file: Path) -> Connection:
    """Read a connection.toml. Raises UsageError."""
    return Connection.load(file)


def list_runs(connection: Connection, limit: int | None = None) -> list[RunRecord]:
    """Return the latest runs, newest first; without `limit` as many as Flower gives (20)."""
    with _client(connection) as client:
        return [_run_record(run) for run in flower_runs.runs(client, limit=limit)]


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs: `outcomes` any of these words (empty: all), `app` a name with or without its publisher,
    `since` the earliest time of submission.
    """

    outcomes: frozenset[str] = frozenset()
    app: str = ""
    since: datetime | None = None

    def takes(self, run: RunRecord) -> bool:
        """Return whether a run is one of those."""
        return (
            (not self.outcomes or run.outcome in self.outcomes)
            and (not self.app or self.app in {run.fab_id, run.fab_id.rpartition("/")[2]})
            and not self.is_before(run)
        )

    def is_before(self, run: RunRecord) -> bool:
        """Return whether a run was submitted before `since`."""
        return self.since is not None and datetime.fromisoformat(run.pending_at) < self.since


def find_runs(
    connection: Connection, wanted: RunFilter, limit: int, timeout: float | None = None
) -> list[RunRecord]:
    """Return the latest `limit` of the wanted runs, newest first; older ones are read page by page.

    `timeout` bounds each wait in seconds (None: 30).
    """
    found: list[RunRecord] = []
    seen: set[str] = set()
    with _client(connection, timeout or 30.0) as client:
        while len(found) < limit:
            page = [_run_record(run) for run in flower_runs.runs(client, limit=PAGE, skip=len(seen))]
            # A run that is submitted meanwhile moves the others on by one.
            fresh = [run for run in page if run.run_id not in seen]
            found += filter(wanted.takes, fresh)
            seen |= {run.run_id for run in fresh}
            if len(page) < PAGE or not fresh or wanted.is_before(page[-1]):
                break
    return found[:limit]


def get_run(connection: Connection, run_id: str) -> RunRecord:
    """Return one run. Raises UsageError if the SuperLink does not know it."""
    with _client(connection) as client:
        return _run_record(flower_runs.runs(client, run_number(run_id))[0])


def read_log(connection: Connection, run_id: str) -> str:
    """Return a run's log: all of it once the run has finished, else what there is by now."""
    if get_run(connection, run_id).status == "finished":
        with _client(connection) as client:
            return "".join(text for text, _ in flower_runs.log(client, run_number(run_id)))
    # The SuperLink first sends all that it has, in one piece, then holds the stream open for more.
    with _client(connection, timeout=LOG_WAIT) as client:
        try:
            return next(flower_runs.log(client, run_number(run_id)), ("", 0.0))[0]
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
    with _client(connection, timeout) as client:
        return nodes_of(client)


def nodes_of(client: flower_client.FlowerClient) -> list[NodeRecord]:
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
        for node in flower_nodes.node_list(client)
    ]
    return sorted(records, key=lambda node: (node.name, node.node_id))


def stop(connection: Connection, run_id: str) -> bool:
    """Stop a run; False if it had finished before, which is no error."""
    with _client(connection) as client:
        return flower_runs.stop(client, run_number(run_id))


def submit(
    connection: Connection,
    app: Path | str | Inline | Request | Prepared,
    *,
    settings: Iterable[str] = (),
    config: Path | None = None,
    key: str | None = None,
    files: Mapping[str, bytes] | None = None,
    started: Started | None = None,
    fix: Callable[[str], None] | None = None,
) -> str:
    """Pack an app, start a run of it, and return the run's id without waiting for more.

    `app` is a path or an address (docs/sources.md), pieces of code, or a request that says more. `settings`
    ("key=value") override the run config in the TOML file `config`, which overrides the app's own. With a
    `key` that the same user gave before with the same app and run config, it is the id of that run.
    `files` are in the ServerApp's working folder when it begins, by name (`out/model.npz`).
    `started` hears of the run with what was sent: its id, the app, its source, what overrides its config.
    With `fix`, an app that Flower would refuse is submitted as a corrected copy; `fix` gets the diff.
    Raises UsageError with every problem of the app or of a setting, before anything is sent.
    """
    with _client(connection) as client:
        with _prepared(app) as found:
            packed, overrides = flower_app.load_for_run(found.path, config, settings, fix=fix)
        if key is None:
            run_id = flower_runs.start(client, flower_resume.resuming(packed, files or {}), overrides)
        else:
            marked = flower_resume.resuming(packed, files or {})
            marked = flower_idempotency.keyed(marked, key, flower_idempotency.user_of(connection), overrides)
            patience = flower_follow.FollowOptions().unreachable_timeout
            run_id = flower_idempotency.start_once(client, marked, overrides, patience, lambda _: None).run_id
    if started:
        started(run_id, packed, found.source, overrides)
    return str(run_id)


def _prepared(app: Path | str | Inline | Request | Prepared) -> AbstractContextManager[Prepared]:
    if isinstance(app, Prepared):
        return nullcontext(app)
    if not isinstance(app, Request):
        app = Request(inline=app) if isinstance(app, Inline) else Request(app=str(app))
    return flower_prepare.prepared(app)


def follow(
    connection: Connection, run_id: str, options: flower_follow.FollowOptions | None = None
) -> flower_runs.Outcome:
    """Follow a run that was started before, its log from the beginning, and return its outcome."""
    with _client(connection) as client:
        return flower_follow.follow(client, run_number(run_id), options or flower_follow.FollowOptions())


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


@contextmanager
def _client(connection: Connection, timeout: float = 30.0) -> Iterator[flower_client.FlowerClient]:
    with flower_client.FlowerClient(connection, timeout) as client:
        yield client
