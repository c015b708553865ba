"""Runs as the SuperLink knows them: start, list, stop, read the log. `follow.py` follows one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .client import FlowerClient, messages
from .errors import FlowerbedError, RefusedError, UnreachableError
from .text import colorless, printable

if TYPE_CHECKING:
    from .app.app import App
    from .app.run_config import Scalar

COMPLETED, FAILED, UNREACHABLE, STOPPED, TIMED_OUT, INTERRUPTED = 0, 1, 3, 4, 5, 130
# The last word on a run (flwr 1.41: SubStatus) and the exit code that says it.
ENDS = {"completed": COMPLETED, "failed": FAILED, "stopped": STOPPED}
NO_RUN, RUN_FINISHED = 16, 18  # error codes of flwr 1.41: supercore/error/base.py
# `INFO :      text`, or with FLWR_LOG_LEVEL=DEBUG `INFO 2026-01-31 08:00:00,123:      text` (flwr 1.41).
_PREFIX = re.compile(
    r"(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) (?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})?: {1,9}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyCounts:
    """Replies of nodes over all rounds: asked for, good ones, errors, and those that never came."""

    asked: int
    results: int
    failures: int
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is known of a run in the end: `status` is the SuperLink's word, "unknown" or "not-started".

    `replies` is None where the log does not say what nodes replied, and of a run that did not complete.
    """

    run_id: str
    status: str
    reason: str
    exit_code: int
    replies: ReplyCounts | None = None


def start(client: FlowerClient, app: App, config: dict[str, Scalar]) -> int:
    """Start a run and return its id. Raises RefusedError, or UnreachableError."""
    control = messages()
    request = control.StartRunRequest(federation=client.connection.federation)
    request.fab.hash_str, request.fab.content = app.hash, app.fab
    for key, value in config.items():
        field = {bool: "bool", int: "sint64", float: "double", str: "string"}[type(value)]
        setattr(request.override_config[key], field, value)
    try:
        reply = client.call("control/start-run", request, control.StartRunResponse)
    except UnreachableError as error:
        remedy = "a run may have been started all the same: look at the list of runs before you try again"
        raise UnreachableError(error.what, remedy, lost=True) if error.lost else error from None
    if not reply.HasField("run_id"):
        raise FlowerbedError(
            f"{client.connection.address} started no run: {printable(reply.note) or 'it gave no reason'}"
        )
    return int(reply.run_id)


def runs(
    client: FlowerClient, run_id: int | None = None, limit: int | None = None, skip: int | None = None
) -> list[Any]:
    """Return Flower's Run messages, newest first: one run, or `limit` (Flower's default: 20) after `skip`."""
    control = messages()
    request = control.ListRunsRequest(run_id=run_id, limit=limit, skip=skip)
    reply = client.call("control/list-runs", request, control.ListRunsResponse)
    return sorted(reply.run_dict.values(), key=lambda run: str(run.pending_at), reverse=True)


def stop(client: FlowerClient, run_id: int) -> bool:
    """Stop a run; False if it had finished before."""
    control = messages()
    try:
        client.call("control/stop-run", control.StopRunRequest(run_id=run_id), control.StopRunResponse)
    except RefusedError as error:
        if error.code != RUN_FINISHED:
            raise
        return False
    return True


def log(client: FlowerClient, run_id: int, after: float = 0.0) -> Iterator[tuple[str, float]]:
    """Yield pieces of a run's log and the time stamp of each, until the run is over or the stream breaks."""
    control = messages()
    request = control.StreamLogsRequest(run_id=run_id, after_timestamp=after)
    for reply in client.stream("control/stream-logs", request, control.StreamLogsResponse):
        yield reply.log_output, reply.latest_timestamp


def plain(line: str) -> str:
    """Return a log line without its colours and without the level that Flower puts in front."""
    text = colorless(line)
    prefix = _PREFIX.match(text)
    return text[prefix.end() :] if prefix else text


def passing(error: FlowerbedError) -> bool:
    """Return whether trying again may help: the SuperLink is away or in trouble."""
    return isinstance(error, UnreachableError) or (
        isinstance(error, RefusedError) and (error.status >= 500 or error.status in {408, 429})
    )
