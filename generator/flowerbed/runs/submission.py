"""Runs started and followed by a program: an app packed, sent, and its outcome.

Every function takes the connection of a user and raises UnreachableError, NotAllowedError or UsageError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from flowerbed.flower import follow as follower
from flowerbed.flower import runs
from flowerbed.flower.app.app import App, load_for_run
from flowerbed.flower.app.run_config import Scalar
from flowerbed.flower.client import FlowerClient
from flowerbed.flower.connection import Connection
from flowerbed.flower.idempotency import keyed, start_once, user_of
from flowerbed.flower.options import FollowOptions
from flowerbed.flower.resume import resuming
from flowerbed.flower.source import prepare
from flowerbed.flower.source.inline import Inline
from flowerbed.flower.source.request import Prepared, Request, Source
from flowerbed.runs.control import run_number

Started = Callable[[int, App, Source, dict[str, Scalar]], None]


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

    `app` is a path or an address (docs/reference/sources.md), pieces of code, or a request that says more.
    `settings` ("key=value") override the run config in the TOML file `config`, which overrides the app's own.
    With a `key` that the same user gave before with the same app and run config, it is the id of that run.
    `files` are in the ServerApp's working folder when it begins, by name (`out/model.npz`).
    `started` hears of the run with what was sent: its id, the app, its source, what overrides its config.
    With `fix`, an app that Flower would refuse is submitted as a corrected copy; `fix` gets the diff.
    Raises UsageError with every problem of the app or of a setting, before anything is sent.
    """
    with FlowerClient(connection) as client:
        with _prepared(app) as found:
            packed, overrides = load_for_run(found.path, config, settings, fix=fix)
        if key is None:
            run_id = runs.start(client, resuming(packed, files or {}), overrides)
        else:
            marked = resuming(packed, files or {})
            marked = keyed(marked, key, user_of(connection), overrides)
            patience = FollowOptions().unreachable_timeout
            run_id = start_once(client, marked, overrides, patience, lambda _: None).run_id
    if started:
        started(run_id, packed, found.source, overrides)
    return str(run_id)


def _prepared(app: Path | str | Inline | Request | Prepared) -> AbstractContextManager[Prepared]:
    if isinstance(app, Prepared):
        return nullcontext(app)
    if not isinstance(app, Request):
        app = Request(inline=app) if isinstance(app, Inline) else Request(app=str(app))
    return prepare.prepared(app)


def follow(connection: Connection, run_id: str, options: FollowOptions | None = None) -> runs.Outcome:
    """Follow a run that was started before, its log from the beginning, and return its outcome."""
    with FlowerClient(connection) as client:
        return follower.follow(client, run_number(run_id), options or FollowOptions())
