"""Submit a Flower app to a SuperLink and follow its run: what `flowerbed submit` and `submit.py` share."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .app.app import App, load_for_run
from .app.requirements import Libraries
from .app.run_config import Scalar
from .client import FlowerClient
from .connection import Connection
from .console import answer, say, show
from .errors import FlowerbedError, UnreachableError
from .idempotency import keyed, start_once, user_of
from .interrupts import interruptions
from .json_text import dumps
from .nodes import too_few
from .options import FollowOptions
from .resume import resuming
from .runs import ENDS, INTERRUPTED, Outcome, plain, runs, start
from .source.prepare import prepared
from .source.request import Prepared, Request, Source
from .text import hanging
from .watcher import Watcher

if TYPE_CHECKING:
    from .follow import Follower

WAITING = "Waiting for nodes to connect: "  # flwr 1.41: serverapp/strategy/strategy_utils.py, one a second
MOST_REPEATED = 60  # repetitions after which the count is shown even though the line still repeats

# Reads a connection again, for when the SuperLink moves under a long run.
Reload = Callable[[], Connection]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOptions:
    """What to submit; with `detach` nobody follows the run.

    `libraries` are those of where the app will run (None: of a plain Flower image). With `fix` a corrected
    copy of an app is submitted that Flower would refuse. With a `key` the run is followed that the same user
    started before with it, of the same app and run config, if there is one. `files` (by name) are in the
    ServerApp's working folder when it begins.
    """

    app: Request | Prepared
    config: Path | None = None
    settings: tuple[str, ...] = ()
    libraries: Libraries | None = None
    fix: bool = False
    key: str | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    detach: bool = False

    def ready(self) -> contextlib.AbstractContextManager[Prepared]:
        """Give the app, made ready to be packed. Raises UsageError, UnreachableError."""
        return contextlib.nullcontext(self.app) if isinstance(self.app, Prepared) else prepared(self.app, say)

    def load(self, found: Prepared) -> tuple[App, dict[str, Scalar]]:
        """Return the app, packed, and what overrides its run config. Raises UsageError."""
        # What was checked first has been shown then.
        shown = (lambda _: None) if isinstance(self.app, Prepared) else say
        return load_for_run(
            found.path, self.config, self.settings, self.libraries, shown if self.fix else None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """Who hears of a run: `outcome` is a file that gets the outcome as JSON; with `json` stdout gets it, too.

    `started` hears of the run as soon as it is known: its id, the app, its source, what overrides the app's
    config. `watcher` hears of all that comes after that. `goes_on` says what can be done about a run that is
    followed no longer, RUN for its id.
    """

    json: bool = False
    outcome: Path | None = None
    started: Callable[[int, App, Source, dict[str, Scalar]], None] = lambda *_: None
    watcher: Watcher = field(default_factory=Watcher)
    goes_on: str = "`flwr stop RUN` stops it, `flwr log RUN` shows its log"


def submit(
    connection: Connection,
    what: SubmitOptions,
    how: FollowOptions,
    reporting: Reporting,
    reload: Reload | None = None,
) -> int:
    """Submit and follow; return the exit code, equal to the SuperLink's own word on the run."""
    with interruptions():
        outcome = _attempt(connection, what, how, reporting, reload)
        _hand_in(outcome, reporting)
    return outcome.exit_code


def attach(
    connection: Connection,
    run_id: int,
    how: FollowOptions,
    reporting: Reporting,
    reload: Reload | None = None,
) -> int:
    """Follow a run that is there, as `submit` does; return its exit code."""
    with interruptions():
        try:
            with FlowerClient(connection, reload=reload) as client:
                runs(client, run_id)  # an id that was never one is a wrong argument
                outcome = _followed(client, run_id, "is at", how, reporting.watcher)
            _conclude(outcome, "" if how.ephemeral else reporting.goes_on)
        except FlowerbedError as error:
            say(f"error: {error}")
            outcome = Outcome(
                run_id=str(run_id), status="unknown", reason=error.what, exit_code=error.exit_code
            )
        _hand_in(outcome, reporting)
    return outcome.exit_code


def retell(outcome: Outcome, log: str, reporting: Reporting) -> int:
    """Say of a run that has ended what following it says, its log included; return its exit code."""
    with interruptions():
        answer(outcome.run_id)
        repeats = Repeats()
        _log(log, reporting.watcher, repeats)
        show(repeats.rest())
        _conclude(outcome, reporting.goes_on)
        _hand_in(outcome, reporting)
    return outcome.exit_code


def checked_first(what: SubmitOptions, reporting: Reporting, then: Callable[[SubmitOptions], int]) -> int:
    """Check the app and its settings before `then` submits it, for where a federation is started for that.

    Return the exit code.
    """
    try:
        with what.ready() as found:
            what.load(found)
            return then(replace(what, app=found))
    except FlowerbedError as error:
        say(f"error: {error}")
        outcome = Outcome(run_id="", status="not-started", reason=error.what, exit_code=error.exit_code)
    except KeyboardInterrupt:  # before the run, while its federation was being started
        reason = "interrupted; no run was started"
        say(reason)
        outcome = Outcome(run_id="", status="not-started", reason=reason, exit_code=INTERRUPTED)
    _hand_in(outcome, reporting)
    return outcome.exit_code


def _attempt(
    connection: Connection,
    what: SubmitOptions,
    how: FollowOptions,
    reporting: Reporting,
    reload: Reload | None,
) -> Outcome:
    status = "not-started"
    try:
        with FlowerClient(connection, reload=reload) as client:
            opening = Opening(client)
            with what.ready() as found:
                app, config = what.load(found)
            sent = resuming(app, what.files)
            say(f"source: {found.source}")
            if what.key is not None:
                sent = keyed(sent, what.key, user_of(connection), config)
            _introduce(sent)
            opening.wait()
            _warn(too_few(client, {**app.defaults, **config}))
            status = "unknown"
            if what.key is None:
                run_id, came = start(client, sent, config), "was started by"
            else:
                started = start_once(client, sent, config, how.unreachable_timeout, say)
                run_id = started.run_id
                came = "has this key already at" if started.found else "was started by"
            tell = partial(reporting.started, run_id, app, found.source, config)
            outcome = _followed(client, run_id, came, how, reporting.watcher, tell, detach=what.detach)
    except FlowerbedError as error:
        say(f"error: {error}")
        lost = isinstance(error, UnreachableError) and error.lost
        status = status if lost else "not-started"
        return Outcome(run_id="", status=status, reason=error.what, exit_code=error.exit_code)
    except KeyboardInterrupt:
        known = "no run was started" if status == "not-started" else "look at the list of runs"
        outcome = Outcome(run_id="", status=status, reason=f"interrupted; {known}", exit_code=INTERRUPTED)
    _conclude(outcome, "" if how.ephemeral else reporting.goes_on)
    return outcome


def _followed(
    client: FlowerClient,
    run_id: int,
    came: str,
    how: FollowOptions,
    watcher: Watcher,
    tell: Callable[[], None] = lambda: None,
    *,
    detach: bool = False,
) -> Outcome:
    """Say a run's id and how it came to be, have it recorded by `tell`, and follow it to its outcome."""
    repeats = Repeats()
    hooks = replace(
        how,
        say=lambda text: say(f"{repeats.rest()}{text}"),
        log=lambda text: _log(text, watcher, repeats),
        look=watcher.look,
    )
    follower: Follower | None = None
    try:
        answer(str(run_id))
        say(f"run {run_id} {came} {client.connection.address}")
        tell()
        follower = _follower(client, run_id, hooks)
        if detach:
            return follower.detached()
        with watcher:
            return follower.follow()
    except KeyboardInterrupt as interruption:
        return (follower or _follower(client, run_id, hooks)).interrupted(interruption)
    finally:
        show(repeats.rest())


def _follower(client: FlowerClient, run_id: int, how: FollowOptions) -> Follower:
    from .follow import Follower  # the run's id does not wait for it

    return Follower(client, run_id, how)


def _log(text: str, watcher: Watcher, repeats: Repeats) -> None:
    from .artifacts import shown  # the run's id does not wait for it

    watcher.hear(text)
    show(shown(repeats.shorten(text)))


def _hand_in(outcome: Outcome, reporting: Reporting) -> None:
    reporting.watcher.end(outcome)
    text = dumps(asdict(outcome))
    if reporting.json:
        answer(text)
    if reporting.outcome:
        try:
            reporting.outcome.write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            say(f"error: {reporting.outcome}: {error.strerror}")


def _introduce(app: App) -> None:
    say(f"app {app.title}: FAB {app.hash} ({len(app.fab):,} bytes)")
    for name, size in app.files.items():
        say(f"  {name} ({size:,} bytes)")
    _warn(app.warnings)


def _warn(texts: Iterable[str]) -> None:
    for text in texts:
        say(f"warning: {text}")


def _conclude(outcome: Outcome, goes_on: str) -> None:
    run_id = outcome.run_id
    what, reason = f"run {run_id}: {outcome.status}" if run_id else outcome.status, hanging(outcome.reason)
    if not reason or outcome.status in ENDS or not run_id:
        say(f"{what}: {reason}" if reason else what)
    else:  # the status is where the run is now, and the reason why it is not followed any longer
        say(f"{what} ({reason})")
    if run_id and outcome.status not in ENDS and outcome.exit_code and goes_on:
        say(f"  {goes_on.replace('RUN', run_id)}")


class Repeats:
    """Shortens a log for display; what is kept of it stays whole."""

    def __init__(self) -> None:
        self._last = ""
        self._times = 0

    def shorten(self, text: str) -> str:
        """Return whole lines of a log without the repetitions of a waiting line, but with their number."""
        return "".join(map(self._line, text.splitlines(keepends=True)))

    def rest(self) -> str:
        """Return the number of repetitions that has not been shown yet, as a line, "" if there were none."""
        times, self._times = self._times, 0
        return f"  (the same line {times} more time{'s' * (times != 1)})\n" if times else ""

    def _line(self, line: str) -> str:
        words = plain(line)
        repeated = words.startswith(WAITING) and words == self._last
        self._last = words
        if not repeated:
            return self.rest() + line
        self._times += 1
        return self.rest() if self._times >= MOST_REPEATED else ""


class Opening:
    """Opens a client's connection while the app is packed."""

    def __init__(self, client: FlowerClient) -> None:
        self._client = client
        self._error: FlowerbedError | None = None
        self._thread = threading.Thread(target=self._open, daemon=True)
        self._thread.start()

    def _open(self) -> None:
        try:
            self._client.connect()
        except FlowerbedError as error:
            self._error = error

    def wait(self) -> None:
        """Return when the connection stands. Raises UnreachableError."""
        self._thread.join()
        if self._error:
            raise self._error
