"""Following one run to its end: its status polled from the SuperLink, its log beside it.

The outcome always comes from the SuperLink's own list of runs, never from the end of a log.
"""

from __future__ import annotations

import contextlib
import functools
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from .client import FlowerClient
from .errors import FlowerbedError, RefusedError
from .nodes import Node, node_list, present
from .options import FollowOptions
from .replies import Replies
from .runs import (
    COMPLETED,
    ENDS,
    FAILED,
    INTERRUPTED,
    NO_RUN,
    TIMED_OUT,
    UNREACHABLE,
    Outcome,
    log,
    passing,
    runs,
    stop,
)
from .verdict import Known, judged, so_far

MOST_RUNS = 200  # runs, the newest ones, of which those that wait are counted
NOT_BEGUN, GOING = frozenset({"pending", "starting"}), frozenset({"starting", "running"})

POLL = 1.0  # seconds between two looks at a run
PATIENCE = 60.0  # seconds for which a run may wait for its ServerApp without a word about it
LONGEST_STEP = 60.0  # seconds that one look can take, connecting and answering; longer was a sleep of our own
NOBODY = "no SuperExec starts its ServerApp; look at the log of the federation's SuperExec"


def follow(client: FlowerClient, run_id: int, options: FollowOptions) -> Outcome:
    """Follow a run, its log from the beginning, through interruptions too; return its outcome."""
    follower = Follower(client, run_id, options)
    try:
        return follower.follow()
    except KeyboardInterrupt as interruption:
        return follower.interrupted(interruption)


class LogFollower:
    """Hands a run's log on, in order and once: in a thread of its own, which outlives broken streams."""

    def __init__(self, client: FlowerClient, run_id: int, write: Callable[[str], None]) -> None:
        self._client, self._run_id, self._write = client, run_id, write
        self._after = 0.0
        self._rest = ""
        self.replies = Replies()
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
            except FlowerbedError as error:
                if not passing(error):
                    break
                time.sleep(POLL)
        return self._write("(the rest of the log could not be read)\n")

    def _follow(self) -> None:
        # A stream also ends whole when the SuperLink shuts down, so an end is no reason to stop.
        while not self._over.is_set():
            with contextlib.suppress(FlowerbedError):  # whoever asks for the status tells what is wrong
                self._read(self._hand_on_unless_over)
            self._over.wait(POLL)

    def _read(self, hand_on: Callable[[str, float], None]) -> None:
        for text, stamp in log(self._client, self._run_id, self._after):
            hand_on(text, stamp)

    def _hand_on(self, text: str, stamp: float) -> None:
        # Whole lines only, so that nothing else gets between their parts.
        lines, newline, self._rest = (self._rest + text).rpartition("\n")
        if newline:
            self.replies.hear(lines)
            self._write(lines + newline)
        self._after = max(self._after, stamp)

    def _hand_on_unless_over(self, text: str, stamp: float) -> None:
        with self._lock:
            if not self._over.is_set():
                self._hand_on(text, stamp)


class Follower:
    """Follows one run to its end, through absences of the SuperLink."""

    def __init__(self, client: FlowerClient, run_id: int, options: FollowOptions) -> None:
        self._client, self._run_id, self._how = client, run_id, options
        self._started = time.monotonic()
        self._status = "unknown"
        self._run: Any = None  # Flower's message on it, as it came last
        self._last_look = self._started
        self._absent = 0.0  # seconds, of those in which this process was awake
        self._misses = 0
        self._hinted = False
        self._waiting = ""
        self._queue = Queue()
        self._reader = LogFollower(client, run_id, options.log)
        self._final: Outcome | None = None

    def follow(self) -> Outcome:
        """Return the run's outcome. After a KeyboardInterrupt, ask `interrupted` for it."""
        self._reader.start()
        try:
            while (outcome := self._look()) is None:
                time.sleep(POLL)
            self._final = outcome
        finally:
            self._reader.close(drain=self._final is not None and self._final.status in ENDS)
        if outcome.status in ENDS:
            outcome = judged(outcome, self._reader.replies, self._known(), self._how.min_replies)
        self._final = outcome
        return self._final

    def _known(self) -> Known:
        """Return what the SuperLink knows of the nodes of a run that has ended."""
        run = self._run
        asked = run.bytes_sent > 0
        silent = run.status.sub_status == "completed" and asked and run.clientapp_runtime == 0
        errors = functools.partial(self._how.node_errors, str(self._run_id))
        return Known(nodes=self._nodes(), silent=silent, asked=asked, errors=errors)

    def _nodes(self) -> tuple[Node, ...]:
        """Return the nodes that were online during the run; none where they cannot be asked for."""
        if self._run is None:
            return ()
        with contextlib.suppress(FlowerbedError):
            return present(node_list(self._client), self._run.running_at, self._run.finished_at)
        return ()

    def detached(self) -> Outcome:
        """Return the outcome of not following at all."""
        return self._outcome("pending", "started, not followed", COMPLETED)

    def interrupted(self, interruption: KeyboardInterrupt) -> Outcome:
        """Return the outcome after an interruption; `on_interrupt` says what becomes of the run."""
        if self._final:  # it had ended; only the rest of its log was interrupted
            return self._final
        reason = "interrupted; the run continues"
        if self._to_be_stopped(by_hand=signal.SIGTERM not in interruption.args):
            try:
                if not stop(self._client, self._run_id) and (finished := self._look()):
                    return finished
                self._status, reason = "stopped", "interrupted; the run was stopped"
            except FlowerbedError as error:
                reason = f"interrupted; the run continues, it could not be stopped: {error.what}"
        return self._outcome(self._status, reason, INTERRUPTED)

    def _to_be_stopped(self, *, by_hand: bool) -> bool:
        """Ask whoever pressed Ctrl-C, once; a second one, or silence at the end of the input, means no."""
        how = self._how.on_interrupt
        if how != "ask" or not by_hand or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return how == "stop"
        self._how.say(f"stop run {self._run_id}? y stops it, anything else lets it continue")
        with contextlib.suppress(KeyboardInterrupt):
            return sys.stdin.readline().strip().lower() in {"y", "yes"}
        return False

    def _look(self) -> Outcome | None:
        try:
            [run] = runs(self._client, self._run_id)
            self._run = run
        except FlowerbedError as error:
            return self._missed(error)
        if self._misses > 1:
            self._how.say("the SuperLink answers again")
        self._misses, self._absent, self._last_look = 0, 0.0, time.monotonic()
        if run.status.status == "finished":
            word, reason = run.status.sub_status, run.status.details
            if word == "failed":
                reason = reason or "the SuperLink gives no reason; the log may"
            return self._outcome(word, reason, ENDS.get(word, FAILED))
        self._how.look(run.status.status, run.clientapp_runtime)
        if run.status.status != self._status:
            self._status = run.status.status
            self._how.say(f"run {self._run_id} is {self._status}")
        self._say_waiting()
        return self._timed_out() or self._not_begun()

    def _say_waiting(self) -> None:
        """Say for how many nodes the app waits, as soon as its log does and whenever that changes."""
        waiting = self._reader.replies.waiting
        if waiting and waiting != self._waiting:
            self._how.say(f"run {self._run_id} {waiting}")
        self._waiting = waiting or self._waiting

    def _missed(self, error: FlowerbedError) -> Outcome | None:
        """Bear with an absent SuperLink for a while; say so once, and not for a single lost answer."""
        if isinstance(error, RefusedError) and error.code == NO_RUN:
            reason = "the SuperLink no longer knows the run: it was restarted without its database"
            return self._outcome("unknown", reason, FAILED)
        if not passing(error):
            return self._outcome("unknown", f"{error.what}; the run continues", error.exit_code)
        # A laptop that slept finds its connections broken: sleep is no absence, and one miss says nothing.
        self._misses += 1
        now = time.monotonic()
        step = now - self._last_look
        self._absent += step if step <= LONGEST_STEP else 0.0
        self._last_look = now
        limit, remedy = self._how.unreachable_timeout, f"; {error.remedy}" if error.remedy else ""
        if self._absent > limit and self._misses > 1:
            return self._outcome("unknown", f"{error.what}, for {limit:g} s now{remedy}", UNREACHABLE)
        if self._misses == 2:
            self._how.say(f"{error.what}; trying again for up to {limit:g} s{remedy}")
        return self._timed_out()

    def _not_begun(self) -> Outcome | None:
        """Say once that a run does not begin; give up when there is a limit for it."""
        if self._status not in NOT_BEGUN:
            return None
        with contextlib.suppress(FlowerbedError):
            if place := self._queue.look(self._client, self._run):
                self._how.say(f"run {self._run_id} {place}")
        limit, waited = self._how.pending_timeout, time.monotonic() - self._queue.stuck_since
        if limit is not None and waited >= limit:
            return self._given_up(f"{self._status} for {limit:g} s: {NOBODY}", "the run keeps waiting")
        if not self._hinted and waited > PATIENCE:
            self._hinted = True
            self._how.say(f"run {self._run_id} has been {self._status} for {PATIENCE:g} s: {NOBODY}")
        return None

    def _timed_out(self) -> Outcome | None:
        limit = self._how.timeout
        if limit is None or time.monotonic() - self._started < limit:
            return None
        told = so_far(self._reader.replies, self._nodes)
        return self._given_up(f"not finished after {limit:g} s{': ' * bool(told)}{told}", "the run continues")

    def _given_up(self, why: str, what: str) -> Outcome:
        """Return the outcome at a limit: `what` becomes of the run, or it is stopped with its federation."""
        if self._how.ephemeral:
            with contextlib.suppress(FlowerbedError):
                if stop(self._client, self._run_id):
                    return self._outcome("stopped", f"{why}; the run was stopped", TIMED_OUT)
            what = "the run ends with its federation"
        return self._outcome(self._status, f"{why}; {what}", TIMED_OUT)

    def _outcome(self, status: str, reason: str, exit_code: int) -> Outcome:
        return Outcome(run_id=str(self._run_id), status=status, reason=reason, exit_code=exit_code)


class Queue:
    """The place of one run. `stuck_since`: since when no other run goes on, in monotonic seconds."""

    def __init__(self) -> None:
        self.stuck_since = time.monotonic()
        self._said = ""

    def look(self, client: FlowerClient, run: Any) -> str:  # noqa: ANN401  (Flower's message)
        """Return what to say of a run that has not begun, "" where nothing is new. Raises FlowerbedError."""
        others = [one for one in runs(client, limit=MOST_RUNS) if one.run_id != run.run_id]
        going = sum(one.status.status in GOING for one in others)
        before = sum(one.status.status == "pending" and one.pending_at < run.pending_at for one in others)
        if going:
            self.stuck_since = time.monotonic()
        said = waiting(before, going) if going else ""
        new, self._said = (said if said != self._said else ""), said
        return new


def waiting(before: int, going: int) -> str:
    """Return the place of a run in words: `waits: 2 runs before it, 1 running`."""
    runs_before = f"{before} run{'s' * (before != 1)} before it, " if before else ""
    return f"waits: {runs_before}{going} running"
