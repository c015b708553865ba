"""How `flowerbed sweep` works its runs off, and what becomes of them when it is interrupted."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flowerbed.cli.common import narrate
from flowerbed.cli.flags import LocalFlags
from flowerbed.cli.sweep_view import watched
from flowerbed.errors import FlowerbedError
from flowerbed.flower.client import FlowerClient
from flowerbed.flower.interrupts import ignore_interruptions
from flowerbed.flower.options import Interrupt
from flowerbed.flower.runs import INTERRUPTED
from flowerbed.flower.submission import Reload
from flowerbed.local.throwaway import throwaway
from flowerbed.runs.control import load_connection
from flowerbed.runs.sweeps.flower import Runs, Submission, given_up
from flowerbed.runs.sweeps.queue import Limits, Queue
from flowerbed.runs.sweeps.state import Sweep, saver


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where runs are worked off, and what an interruption does to those under way.

    `reload` reads the connection; without it there is a federation on this machine for the time of the sweep.
    """

    reload: Reload | None
    machine: LocalFlags
    on_interrupt: Interrupt
    plain: bool


def worked_off(state: Sweep, submitted: Submission, limits: Limits, root: Path, way: Way) -> int:
    """Run what has not ended, and return the exit code."""
    if all(point.exit_code is not None for point in state.points):
        return state.exit_code
    try:
        with (
            _connected(way) as connect,
            FlowerClient(connect(), reload=connect) as client,
        ):
            work, save = Runs(client, state, submitted, root, narrate), saver(root, state)
            queue = Queue(state, work, limits, save, narrate)
            try:
                with watched(state, queue, plain=way.plain):
                    queue.run()
            except KeyboardInterrupt as interruption:
                how = way.on_interrupt if way.reload else "stop"
                _interrupted(root, state, queue, work, how, interruption)
                save()
                ignore_interruptions()
                return INTERRUPTED
    except KeyboardInterrupt:  # before the first run, while a federation was being started
        narrate("interrupted; no run was started")
        return INTERRUPTED
    except FlowerbedError:
        narrate(f"the sweep ends here; the same command resumes {state.name}")
        raise
    return state.exit_code


@contextlib.contextmanager
def _connected(way: Way) -> Iterator[Reload]:
    if way.reload:
        yield way.reload
        return

    with throwaway(way.machine.nodes, narrate, wait=False, packages=way.machine.packages) as federation:
        own = load_connection(federation.connection())
        yield lambda: own


def _interrupted(
    root: Path, state: Sweep, queue: Queue, work: Runs, how: Interrupt, why: KeyboardInterrupt
) -> None:
    """Stop the runs that are under way, or say that they go on, and how the sweep is resumed."""
    going = queue.going
    ids = ", ".join(point.run_id for point in going)
    asked = how == "ask" and signal.SIGTERM not in why.args and sys.stdin.isatty() and sys.stderr.isatty()
    if asked and going:
        narrate(f"stop {ids}? y stops them, anything else lets them continue")
        with contextlib.suppress(KeyboardInterrupt):
            how = "stop" if sys.stdin.readline().strip().lower() in {"y", "yes"} else "leave"
    if how == "stop":
        for point in going:
            try:
                work.stop(point)
                work.end(point)  # completes its record
            except FlowerbedError as error:
                narrate(f"run {point.run_id} could not be stopped: {error.what}")
            else:
                given_up(root, point)
    left = queue.going
    if left:
        narrate(f"interrupted; these runs continue: {', '.join(point.run_id for point in left)}")
    else:
        narrate(f"interrupted; {f'stopped: {ids}' if ids else 'no run is under way'}")
    narrate(f"  the same command resumes {state.name}, with {len(queue.waiting)} runs to start")
