"""Submit a Flower app to a SuperLink and follow its run: what `flowerbed submit` and `submit.py` share."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .app.app import App, load_for_run
from .app.requirements import Libraries
from .app.run_config import Scalar
from .artifacts import shown
from .client import FlowerClient
from .connection import Connection
from .console import answer, say, show
from .dry_run import preview
from .errors import FlowerbedError, UnreachableError
from .follow import Follower, Following, Interrupt
from .idempotency import keyed, start_once, user_of
from .interrupts import interruptions
from .json_text import dumps
from .nodes import too_few
from .opening import Opening
from .options import seconds
from .repeats import Repeats
from .resume import resuming
from .runs import ENDS, INTERRUPTED, Outcome, runs, start
from .source.prepare import prepared
from .source.request import Prepared, Request, Source
from .text import hanging
from .watcher import Watcher

__all__ = ["Order", "attach", "retell", "seconds", "submit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to submit, and how to follow it (see `Following`): `outcome` is a file that gets it as JSON.

    `libraries` are those of where the app will run (None: of a plain Flower image). With `fix` a corrected
    copy of an app is submitted that Flower would refuse. `started` hears of the run as soon as it is known:
    its id, the app, its source, what overrides the app's config. With a `key` the run is followed that the
    same user started before with it, of the same app and run config, if there is one. `files` (by name) are
    in the ServerApp's working folder when it begins. `reload` reads the connection again, for when the
    SuperLink moves under a long run. `ephemeral`: the federation ends with the command.
    """

    app: Path | Request | Prepared | str
    config: Path | None = None
    settings: tuple[str, ...] = ()
    detach: bool = False
    timeout: float | None = None
    pending_timeout: float | None = None
    unreachable_timeout: float = 300.0
    on_interrupt: Interrupt = "leave"
    min_replies: float = 0.0
    ephemeral: bool = False
    key: str | None = None
    files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    json: bool = False
    outcome: Path | None = None
    libraries: Libraries | None = None
    fix: bool = False
    started: Callable[[int, App, Source, dict[str, Scalar]], None] = lambda *_: None
    reload: Callable[[], Connection] | None = None
    node_errors: Callable[[str], Mapping[str, str]] = lambda _: {}
    watcher: Watcher = dataclasses.field(default_factory=Watcher)


def submit(connection: Connection, order: Order) -> int:
    """Submit and follow; return the exit code, equal to the SuperLink's own word on the run."""
    with interruptions():
        outcome = _attempt(connection, order)
        _hand_in(outcome, order)
    return outcome.exit_code


def attach(connection: Connection, run_id: int, order: Order) -> int:
    """Follow a run that is there, as `submit` does; return its exit code."""
    with interruptions():
        try:
            with FlowerClient(connection, reload=order.reload) as client:
                runs(client, run_id)  # an id that was never one is a wrong argument
                outcome = _follow(client, run_id, order, "is at")
            _conclude(outcome, order)
        except FlowerbedError as error:
            say(f"error: {error}")
            outcome = Outcome(
                run_id=str(run_id), status="unknown", reason=error.what, exit_code=error.exit_code
            )
        _hand_in(outcome, order)
    return outcome.exit_code


def retell(outcome: Outcome, log: str, order: Order) -> int:
    """Say of a run that has ended what following it says, its log included; return its exit code."""
    with interruptions():
        answer(outcome.run_id)
        repeats = Repeats()
        _log(log, order.watcher, repeats)
        show(repeats.rest())
        _conclude(outcome, order)
        _hand_in(outcome, order)
    return outcome.exit_code


def _attempt(connection: Connection, order: Order) -> Outcome:
    status = "not-started"
    try:
        with FlowerClient(connection, reload=order.reload) as client:
            opening = Opening(client)
            with _prepared(order) as found:
                app, config = load_for_run(found.path, *_config(order))
            sent = resuming(app, order.files)
            say(f"source: {found.source}")
            if order.key is not None:
                sent = keyed(sent, order.key, user_of(connection), config)
            _introduce(sent)
            opening.wait()
            _warn(too_few(client, {**app.defaults, **config}))
            status = "unknown"
            run_id, how = _start(client, sent, config, order)
            tell = partial(order.started, run_id, app, found.source, config)
            outcome = _follow(client, run_id, order, how, tell)
    except FlowerbedError as error:
        say(f"error: {error}")
        lost = isinstance(error, UnreachableError) and error.lost
        status = status if lost else "not-started"
        return Outcome(run_id="", status=status, reason=error.what, exit_code=error.exit_code)
    except KeyboardInterrupt:
        known = "no run was started" if status == "not-started" else "look at the list of runs"
        outcome = Outcome(run_id="", status=status, reason=f"interrupted; {known}", exit_code=INTERRUPTED)
    _conclude(outcome, order)
    return outcome


def dry_run(order: Order) -> int:
    """Pack the app and say on stdout what would be sent; return the exit code."""
    with interruptions():
        code, text = preview(_request(order), _config(order), say, as_json=order.json)
        answer(text) if text else None
    return code


def checked_first(order: Order, then: Callable[[Order], int]) -> int:
    """Check the app and its settings before `then` submits it, for where a federation is started for that.

    Return the exit code.
    """
    try:
        with _prepared(order) as found:
            load_for_run(found.path, *_config(order))
            return then(dataclasses.replace(order, app=found))
    except FlowerbedError as error:
        say(f"error: {error}")
        outcome = Outcome(run_id="", status="not-started", reason=error.what, exit_code=error.exit_code)
    except KeyboardInterrupt:  # before the run, while its federation was being started
        reason = "interrupted; no run was started"
        say(reason)
        outcome = Outcome(run_id="", status="not-started", reason=reason, exit_code=INTERRUPTED)
    _hand_in(outcome, order)
    return outcome.exit_code


def _config(
    order: Order,
) -> tuple[Path | None, tuple[str, ...], Libraries | None, Callable[[str], None] | None]:
    # What was checked first has been shown then.
    shown = (lambda _: None) if isinstance(order.app, Prepared) else say
    return order.config, order.settings, order.libraries, shown if order.fix else None


def _prepared(order: Order) -> contextlib.AbstractContextManager[Prepared]:
    return (
        contextlib.nullcontext(order.app)
        if isinstance(order.app, Prepared)
        else prepared(_request(order), say)
    )


def _request(order: Order) -> Request:
    return order.app if isinstance(order.app, Request) else Request(app=str(order.app))


def _start(client: FlowerClient, app: App, config: dict[str, Scalar], order: Order) -> tuple[int, str]:
    """Start a run, or find the one of the order's key; return its id and how it came to be."""
    if order.key is None:
        return start(client, app, config), "was started by"
    started = start_once(client, app, config, order.unreachable_timeout, say)
    return started.run_id, "has this key already at" if started.found else "was started by"


def _follow(
    client: FlowerClient, run_id: int, order: Order, how: str, known: Callable[[], None] = lambda: None
) -> Outcome:
    """Say a run's id, let `known` hear of it, and follow it to its outcome."""
    repeats = Repeats()

    def narrate(text: str) -> None:
        say(f"{repeats.rest()}{text}")

    following = Following(
        say=narrate,
        log=lambda text: _log(text, order.watcher, repeats),
        look=order.watcher.look,
        node_errors=order.node_errors,
        timeout=order.timeout,
        pending_timeout=order.pending_timeout,
        unreachable_timeout=order.unreachable_timeout,
        on_interrupt=order.on_interrupt,
        min_replies=order.min_replies,
        ephemeral=order.ephemeral,
    )
    follower = Follower(client, run_id, following)
    try:
        answer(str(run_id))
        say(f"run {run_id} {how} {client.connection.address}")
        known()
        if order.detach:
            return follower.detached()
        with order.watcher:
            return follower.follow()
    except KeyboardInterrupt as interruption:
        return follower.interrupted(interruption)
    finally:
        show(repeats.rest())


def _log(text: str, watcher: Watcher, repeats: Repeats) -> None:
    watcher.hear(text)
    show(shown(repeats.shorten(text)))


def _hand_in(outcome: Outcome, order: Order) -> None:
    order.watcher.end(outcome)
    text = dumps(dataclasses.asdict(outcome))
    if order.json:
        answer(text)
    if order.outcome:
        try:
            order.outcome.write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            say(f"error: {order.outcome}: {error.strerror}")


def _introduce(app: App) -> None:
    say(f"app {app.title}: FAB {app.hash} ({len(app.fab):,} bytes)")
    for name, size in app.files.items():
        say(f"  {name} ({size:,} bytes)")
    _warn(app.warnings)


def _warn(texts: Iterable[str]) -> None:
    for text in texts:
        say(f"warning: {text}")


def _conclude(outcome: Outcome, order: Order) -> None:
    run_id = outcome.run_id
    what, reason = f"run {run_id}: {outcome.status}" if run_id else outcome.status, hanging(outcome.reason)
    if not reason or outcome.status in ENDS or not run_id:
        say(f"{what}: {reason}" if reason else what)
    else:  # the status is where the run is now, and the reason why it is not followed any longer
        say(f"{what} ({reason})")
    if run_id and outcome.status not in ENDS and outcome.exit_code and not order.ephemeral:
        say(f"  `flowerbed stop {run_id}` stops it, `flowerbed attach {run_id}` follows it again")
