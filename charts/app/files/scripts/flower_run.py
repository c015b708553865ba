"""Runs as the SuperLink knows them: start, list, stop, read the log, follow to the end.

A run's outcome always comes from the SuperLink's own list of runs, never from the end of a log.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING or __package__:
    from .flower_app import App
    from .flower_client import FlowerClient, messages
    from .flower_config import Scalar
    from .flower_connection import Refused, SubmitError, Unreachable
else:  # lying beside the program that runs
    from flower_app import App
    from flower_client import FlowerClient, messages
    from flower_config import Scalar
    from flower_connection import Refused, SubmitError, Unreachable

COMPLETED, FAILED, UNREACHABLE, STOPPED, TIMED_OUT, INTERRUPTED = 0, 1, 3, 4, 5, 130
# The last word on a run (flwr 1.41: SubStatus) and the exit code that says it.
ENDS = {"completed": COMPLETED, "failed": FAILED, "stopped": STOPPED}
POLL = 1.0  # seconds between two looks at a run
PATIENCE = 60.0  # seconds for which a run may wait for its ServerApp without a word about it
NO_RUN, RUN_FINISHED = 16, 18  # error codes of flwr 1.41: supercore/error/base.py
Interrupt = Literal["leave", "stop"]
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is known of a run in the end: `status` is the SuperLink's word, "unknown" or "not-started"."""

    run_id: str
    status: str
    reason: str
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """How to follow: times in seconds, `say` takes a line of narration, `log` a piece of the run's log."""

    say: Callable[[str], None]
    log: Callable[[str], None]
    timeout: float | None = None
    unreachable_timeout: float = 300.0
    on_interrupt: Interrupt = "leave"


def _unheard(_: str) -> None:
    """Take what nobody wants to hear."""


SILENTLY = Following(say=_unheard, log=_unheard)


def start(client: FlowerClient, app: App, config: dict[str, Scalar]) -> int:
    """Start a run and return its id. Raises Refused, or Unreachable."""
    control = messages()
    request = control.StartRunRequest(federation=client.connection.federation)
    request.fab.hash_str, request.fab.content = app.hash, app.fab
    for key, value in config.items():
        field = {bool: "bool", int: "sint64", float: "double", str: "string"}[type(value)]
        setattr(request.override_config[key], field, value)
    try:
        reply = client.call("control/start-run", request, control.StartRunResponse)
    except Unreachable as error:
        remedy = "a run may have been started all the same: look at the list of runs before you try again"
        raise Unreachable(error.what, remedy, lost=True) if error.lost else error from None
    if not reply.HasField("run_id"):
        raise SubmitError(f"{client.connection.address} started no run: {reply.note or 'it gave no reason'}")
    return int(reply.run_id)


def runs(client: FlowerClient, run_id: int | None = None, limit: int | None = None) -> list[Any]:
    """Return Flower's Run messages, newest first: one run, or the last `limit` (Flower's default: 20)."""
    control = messages()
    reply = client.call(
        "control/list-runs", control.ListRunsRequest(run_id=run_id, limit=limit), control.ListRunsResponse
    )
    return sorted(reply.run_dict.values(), key=lambda run: str(run.pending_at), reverse=True)


def stop(client: FlowerClient, run_id: int) -> bool:
    """Stop a run; False if it had finished before."""
    control = messages()
    try:
        client.call("control/stop-run", control.StopRunRequest(run_id=run_id), control.StopRunResponse)
    except Refused as error:
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


def colourless(text: str) -> str:
    """Return log text without the escape sequences by which Flower colours it."""
    return _COLOURS.sub("", text)


def passing(error: SubmitError) -> bool:
    """Return whether trying again may help: the SuperLink is away or in trouble."""
    return isinstance(error, Unreachable) or (
        isinstance(error, Refused) and (error.status >= 500 or error.status in {408, 429})
    )


class LogFollower:
    """Hands a run's log on, in order and once: in a thread of its own, which outlives broken streams."""

    def __init__(self, client: FlowerClient, run_id: int, write: Callable[[str], None]) -> None:
        self._client, self._run_id, self._write = client, run_id, write
        self._after = 0.0
        self._rest = ""
        self._lock = threading.Lock()  # guards _after and the right to write
        self._over = threading.Event()

    def start(self) -> None:
        """Begin to follow; ends with the process, or with `close`."""
        threading.Thread(target=self._follow, name="log", daemon=True).start()

    def close(self, *, drain: bool) -> None:
        """Follow no more; with `drain`, first hand on what the log of the finished run still holds."""
        with self._lock:
            self._over.set()
        if drain:
            self._drain()
        if self._rest:
            self._write(f"{self._rest}\n")

    def _drain(self) -> None:
        for _ in range(5):
            try:
                return self._read(self._hand_on)
            except SubmitError as error:
                if not passing(error):
                    break
                time.sleep(POLL)
        return self._write("(the rest of the log could not be read)\n")

    def _follow(self) -> None:
        # A stream also ends whole when the SuperLink shuts down, so an end is no reason to stop.
        while not self._over.is_set():
            with contextlib.suppress(SubmitError):  # whoever asks for the status tells what is wrong
                self._read(self._hand_on_unless_over)
            self._over.wait(POLL)

    def _read(self, hand_on: Callable[[str, float], None]) -> None:
        for text, stamp in log(self._client, self._run_id, self._after):
            hand_on(text, stamp)

    def _hand_on(self, text: str, stamp: float) -> None:
        # Whole lines only, so that nothing else gets between their parts.
        lines, newline, self._rest = (self._rest + text).rpartition("\n")
        if newline:
            self._write(lines + newline)
        self._after = max(self._after, stamp)

    def _hand_on_unless_over(self, text: str, stamp: float) -> None:
        with self._lock:
            if not self._over.is_set():
                self._hand_on(text, stamp)


class Follower:
    """Follows one run to its end, through absences of the SuperLink."""

    def __init__(self, client: FlowerClient, run_id: int, following: Following) -> None:
        self._client, self._run_id, self._how = client, run_id, following
        self._started = time.monotonic()
        self._status = "unknown"
        self._last_answer = self._started
        self._misses = 0
        self._hinted = False
        self._final: Outcome | None = None

    def follow(self) -> Outcome:
        """Return the run's outcome. After a KeyboardInterrupt, ask `interrupted` for it."""
        reader = LogFollower(self._client, self._run_id, self._how.log)
        reader.start()
        try:
            while (outcome := self._look()) is None:
                time.sleep(POLL)
            self._final = outcome
            return outcome
        finally:
            reader.close(drain=self._final is not None and self._final.status in ENDS)

    def detached(self) -> Outcome:
        """Return the outcome of not following at all."""
        return self._outcome("pending", "started; nobody follows it", COMPLETED)

    def interrupted(self) -> Outcome:
        """Return the outcome after a KeyboardInterrupt; `on_interrupt` says what becomes of the run."""
        if self._final:  # it had ended; only the rest of its log was interrupted
            return self._final
        reason = "interrupted; the run goes on"
        if self._how.on_interrupt == "stop":
            try:
                if not stop(self._client, self._run_id) and (finished := self._look()):
                    return finished
                self._status, reason = "stopped", "interrupted; the run was stopped"
            except SubmitError as error:
                reason = f"interrupted; the run goes on, it could not be stopped: {error.what}"
        return self._outcome(self._status, reason, INTERRUPTED)

    def _look(self) -> Outcome | None:
        try:
            [run] = runs(self._client, self._run_id)
        except SubmitError as error:
            return self._missed(error)
        if self._misses > 1:
            self._how.say("the SuperLink answers again")
        self._misses, self._last_answer = 0, time.monotonic()
        if run.status.status == "finished":
            word, reason = run.status.sub_status, run.status.details
            if word == "failed":
                reason = reason or "the SuperLink gives no reason; the log may"
            return self._outcome(word, reason, ENDS.get(word, FAILED))
        if run.status.status != self._status:
            self._status = run.status.status
            self._how.say(f"run {self._run_id} is {self._status}")
        self._hint()
        return self._timed_out()

    def _missed(self, error: SubmitError) -> Outcome | None:
        """Bear with an absent SuperLink for a while; say so once, and not for a single lost answer."""
        if isinstance(error, Refused) and error.code == NO_RUN:
            reason = "the SuperLink no longer knows the run: it was restarted without its database"
            return self._outcome("unknown", reason, FAILED)
        if not passing(error):
            return self._outcome("unknown", f"{error.what}; the run goes on", error.exit_code)
        self._misses += 1
        limit = self._how.unreachable_timeout
        if time.monotonic() - self._last_answer > limit:
            return self._outcome("unknown", f"{error.what}, for {limit:g} s now", UNREACHABLE)
        if self._misses == 2:
            self._how.say(f"{error.what}; trying again for up to {limit:g} s")
        return self._timed_out()

    def _hint(self) -> None:
        waits = self._status in {"pending", "starting"}
        if waits and not self._hinted and time.monotonic() - self._started > PATIENCE:
            self._hinted = True
            self._how.say(
                f"run {self._run_id} has been {self._status} for {PATIENCE:g} s: nobody runs its ServerApp; "
                "look at the log of the federation's SuperExec"
            )

    def _timed_out(self) -> Outcome | None:
        limit = self._how.timeout
        if limit is None or time.monotonic() - self._started < limit:
            return None
        return self._outcome(self._status, f"not finished after {limit:g} s; the run goes on", TIMED_OUT)

    def _outcome(self, status: str, reason: str, exit_code: int) -> Outcome:
        return Outcome(run_id=str(self._run_id), status=status, reason=reason, exit_code=exit_code)
