"""`flowerbed sweep`: a run for each combination of values, some at a time, resumed by the same command."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flowerbed.cli.common import narrate, say
from flowerbed.cli.flags import LocalFlags, RecordFlags, WhereFlags
from flowerbed.cli.json_results import say_json
from flowerbed.cli.libraries import libraries_of
from flowerbed.cli.records import records_folder
from flowerbed.cli.runs import connection_reader
from flowerbed.cli.submit import AppArgument, demand_federation, refuse_federation
from flowerbed.cli.sweep_view import as_data, results, show, watched
from flowerbed.errors import FlowerbedError, UsageError
from flowerbed.flower.app.app import App, load_for_run
from flowerbed.flower.client import FlowerClient
from flowerbed.flower.duration import seconds
from flowerbed.flower.flags import flag, shared, switch
from flowerbed.flower.interrupts import ignore_interruptions, interruptions
from flowerbed.flower.labels import labels
from flowerbed.flower.options import FollowFlags, Interrupt, LabelFlags, share
from flowerbed.flower.runs import INTERRUPTED
from flowerbed.flower.source.options import SourceFlags
from flowerbed.flower.source.prepare import prepared
from flowerbed.flower.submission import Reload
from flowerbed.flower.text import printable
from flowerbed.local.throwaway import throwaway
from flowerbed.runs.control import load_connection
from flowerbed.runs.records.query import order
from flowerbed.runs.sweeps.queue import Limits, Queue, Runs, Submission, given_up
from flowerbed.runs.sweeps.state import (
    Sweep,
    axes,
    check,
    claimed,
    combinations,
    file_of,
    fingerprint,
    opened,
    saver,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFlags:
    """Which runs a sweep has, and how they are worked off."""

    settings: tuple[str, ...] = flag(
        "KEY=VALUES",
        "values of a key: lr=0.01,0.1 or 1..3; repeatable",
        words=("--set",),
        repeatable=True,
    )
    config: Path | None = flag("FILE", "TOML file that overrides run config", kind=Path)
    parallel: int = flag("N", "have at most N unfinished runs at a time", kind=int, default=1, least=1)
    best: str | None = flag(
        "KEY[:max]", "report the run whose figure is the smallest, or with :max the largest"
    )
    max_runs: int = flag("N", "refuse a sweep of more than N runs", kind=int, default=1000, least=1)
    timeout: str | None = flag("TIME", "stop a run that takes longer: 90s, 10m, 2h")
    unreachable_timeout: str = shared(FollowFlags, "unreachable_timeout")
    on_interrupt: Literal["ask", "leave", "stop"] = shared(FollowFlags, "on_interrupt")
    min_replies: str | None = shared(FollowFlags, "min_replies")
    require_all_replies: bool = shared(FollowFlags, "require_all_replies")
    json: bool = switch("print one JSON document on stdout")
    name: str | None = flag("NAME", "name of the sweep, and tag of its runs (default: the app's name)")
    tags: tuple[str, ...] = shared(LabelFlags, "tags")
    note: str | None = shared(LabelFlags, "note")
    retry: bool = switch("also repeat runs that ended without completing")
    restart: bool = switch("start the sweep from the beginning, including finished runs")

    def limits(self) -> Limits:
        """Return how the runs are worked off. Raises UsageError."""
        return Limits(
            parallel=self.parallel,
            timeout=seconds(self.timeout) if self.timeout else None,
            patience=seconds(self.unreachable_timeout),
        )


def sweep_command(
    app: AppArgument = None,
    *,
    where: WhereFlags,
    how: SweepFlags,
    source: SourceFlags,
    machine: LocalFlags,
    kept: RecordFlags,
) -> int:
    """Submit an app once for each combination of run config values, at most N runs at a time.

    The same command resumes a sweep that was interrupted: finished runs are not run again.
    """
    with interruptions():
        return _swept(app, where, how, source, machine, kept)


def _swept(
    app: str | None,
    where: WhereFlags,
    how: SweepFlags,
    source: SourceFlags,
    machine: LocalFlags,
    kept: RecordFlags,
) -> int:
    best = order(how.best) if how.best else None
    called = labels(how.name, how.tags, how.note)
    limits = how.limits()
    least = share(how.min_replies, all_of_them=how.require_all_replies)
    if not how.settings:
        raise UsageError("no values to try", remedy="give --set KEY=VALUE,VALUE or KEY=1..3")
    found = axes(list(how.settings), how.max_runs)
    grid = combinations(found)
    reload = None if source.dry_run else _reload(where, machine)
    root = records_folder(kept.records, None if machine.local else where.file)
    with prepared(source.request(app, how.config, grid[0]), narrate) as ready:
        fix = narrate if source.fix else None
        loaded, _ = load_for_run(ready.path, None, (), libraries_of(where, machine), fix)
        check(found, loaded.defaults, how.config, {key: read.default for key, read in loaded.reads.items()})
        for text in loaded.warnings:
            narrate(f"warning: {text}")
        print_of_it = fingerprint(loaded.hash, how.config, grid)
        name = called.name or f"{loaded.title.partition('/')[2].partition(' ')[0]}-{print_of_it[:6]}"
        if source.dry_run:
            state, _ = opened(root, name, print_of_it, grid, restart=how.restart)
            return _previewed(state, loaded, json=how.json)
        submitted = Submission(
            app=loaded, source=ready.source, config=how.config, tags=called.tags, note=called.note,
            command=["flowerbed", *sys.argv[1:]], min_replies=least, patience=limits.patience,
        )  # fmt: skip
        with claimed(root, name):
            state, old = opened(root, name, print_of_it, grid, restart=how.restart)
            _begun(root, state, old=old, local=machine.local, retry=how.retry)
            way = Way(reload=reload, machine=machine, on_interrupt=how.on_interrupt, plain=kept.plain)
            code = worked_off(state, submitted, limits, root, way)
    return _concluded(root, state, best, code, json=how.json)


def _previewed(state: Sweep, app: App, *, json: bool) -> int:
    """Print the runs that would be submitted, those that have ended with their status."""
    if json:
        say_json(as_data(state, [], None, 0))
        return 0
    narrate(f"app {app.title}: FAB {app.hash} ({len(app.fab):,} bytes)")
    for point in state.points:
        ended = f" ({point.status} before)" if point.exit_code is not None else ""
        say(printable(f"{point.name}: {', '.join(point.settings)}{ended}"))
    return 0


def _reload(where: WhereFlags, machine: LocalFlags) -> Reload | None:
    """Return what reads the connection, None for a federation of the sweep's own. Raises UsageError."""
    if machine.local:
        refuse_federation(where, "sweep")
        return None
    demand_federation(where, machine)
    return connection_reader(where.file, where.connection, where.user, where.overrides())


def _begun(root: Path, state: Sweep, *, old: bool, local: bool, retry: bool) -> None:
    for point in state.points:
        lost = local and point.exit_code is None  # it went with its federation
        if point.run_id and (lost or (retry and point.exit_code)):
            given_up(root, point)
    saver(root, state)()
    count = len(state.points)
    done = sum(point.exit_code is not None for point in state.points)
    if done == count:
        narrate(f"all {count} runs of {state.name} have ended before; --retry and --restart run more")
    elif old:
        narrate(f"{state.name} is resumed: {done} of {count} runs have ended before")
    else:
        narrate(f"{state.name}: {count} run{'s' * (count > 1)}; its state is in {file_of(root, state.name)}")


def _concluded(root: Path, state: Sweep, best: Any, code: int, *, json: bool) -> int:  # noqa: ANN401
    reports, first = results(root, state, best)
    if json:
        say_json(as_data(state, reports, first, code))
    else:
        show(state, reports, first, best)
    return code


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
