"""Runs that end in every way, for real: by themselves, by others' hands, with their SuperLink or their nodes.

Three federations run side by side, for most of these runs wait for something.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from flowerbed.runs.records.store import load
from support.local_federation import until
from support.loopback_federation import LIMIT, running
from support.outcome_faults import CALM, NODES, ROUND, apps, faults
from support.outcome_trials import Seen, Trials

BRIEF = 90.0  # seconds that the certificate is good for which expires
LONG = ("--set", "ticks=1000")
IMPATIENT = 8.0  # seconds that a round takes in which nobody answers, or nobody else


def _silence(trials: Trials) -> None:
    """Rounds whose time limit passes, one by one, for a node has one ClientApp at a time."""

    def limited(limit: float, *slow: str) -> tuple[str, ...]:
        return (*ROUND, "--set", f"limit={limit}", *faults(*slow, fault="slow"))

    run_id = trials.running("Waiting for nodes", *ROUND)
    trials.end("no node is online, with `--timeout 2s`", trials.begin("--timeout", "2s", attach=run_id))
    trials.stop(run_id)
    trials.start_nodes(NODES)
    before = trials.running("Sampled 2 nodes", *limited(LIMIT, *NODES))
    run_id = trials.running("Sampled 2 nodes", *ROUND)
    behind = trials.begin("--timeout", "2s", attach=run_id)
    trials.end("its nodes are busy with another run, with `--timeout 2s`", behind)
    trials.stop(before)
    trials.end("the same run, followed by `flowerbed attach`", trials.begin(attach=run_id))
    submission = trials.begin(*limited(IMPATIENT, *NODES))
    trials.end("no node replies within the time limit of a round", submission)
    asking = ("--set", "asking=true", "--set", "rounds=0", "--set", "phase=query")
    submission = trials.begin(*limited(IMPATIENT, *NODES), *asking)
    trials.end("an app sends messages itself, and no node replies in time", submission)
    submission = trials.begin(*limited(IMPATIENT, NODES[0]), "--set", "answers=1")
    run_id = trials.end("one node of two does not reply within the time limit of a round", submission)
    share = trials.begin("--min-replies", "0.8", attach=run_id)
    trials.end("the same, with `--min-replies 0.8`", share)
    strictly = trials.begin("--require-all-replies", attach=run_id)
    trials.end("the same, with all replies required", strictly)


def _departures(trials: Trials) -> None:
    """Apps with the older API, and nodes that are lost; each of the last runs leaves one node less."""
    trials.start_nodes(NODES)
    older = "with the older API, the ClientApp raises on"
    trials.run(f"{older} one node of two", *CALM, *faults(NODES[0], fault="raises"), app="older")
    trials.run(f"{older} all nodes", *CALM, *faults(*NODES, fault="import"), app="older")
    submission = trials.begin(*ROUND, "--set", "rounds=2", "--set", "pause=0")
    submission.await_line("aggregate_train: Received 2 results")
    trials.federation.kill(NODES[1])
    trials.end("a node is killed between two rounds", submission)
    alone = (
        *ROUND,
        "--set",
        "min-nodes=1",
        "--set",
        f"limit={IMPATIENT}",
        *faults(NODES[0], fault="nothing"),
    )
    trials.end("the ClientApp returns nothing", trials.begin(*alone))


def _hands(trials: Trials) -> None:
    """Runs that somebody ends, and runs that somebody ceases to follow."""

    def stopped() -> None:
        submission = trials.begin(*LONG)
        run_id = submission.run_id
        submission.await_line("tick 1")
        trials.stop(run_id)
        trials.end("somebody else stops it", submission)

    def signalled(name: str, number: int, *arguments: str) -> None:
        submission = trials.begin(*LONG, *arguments)
        submission.await_line("is running")
        submission.process.send_signal(number)
        trials.stop(trials.end(name, submission))

    def timed_out() -> None:
        run_id = trials.running("tick 1", *LONG)
        trials.end("it takes longer than `--timeout 2s`", trials.begin("--timeout", "2s", attach=run_id))
        trials.stop(run_id)

    def killed() -> None:
        submission = trials.begin("--set", "ticks=24")
        run_id = submission.run_id
        submission.await_line("tick 1")
        submission.process.kill()
        submission.end()
        left = load(trials.records, run_id)
        assert left is not None
        assert not left.complete
        trials.end("the follower is killed, then `flowerbed attach`", trials.begin(attach=run_id))

    def detached() -> None:
        run_id = trials.end("it is not followed: `--detach`", trials.begin(*LONG, "--detach"))
        trials.stop(run_id)
        assert trials.logs(run_id) == 0
        found = load(trials.records, run_id)
        assert found is not None
        assert (found.complete, found.run.outcome) == (True, "stopped")

    trials.together(
        killed,
        timed_out,
        stopped,
        lambda: signalled("SIGTERM", signal.SIGTERM),
        lambda: signalled("SIGTERM, with `--on-interrupt stop`", signal.SIGTERM, "--on-interrupt", "stop"),
        lambda: signalled("Ctrl-C, with `--on-interrupt leave`", signal.SIGINT, "--on-interrupt", "leave"),
        lambda: signalled("Ctrl-C, with `--on-interrupt stop`", signal.SIGINT, "--on-interrupt", "stop"),
        detached,
    )


def _absences(trials: Trials) -> None:
    """Runs whose SuperLink goes away for a while."""
    federation = trials.federation
    away = trials.begin(*LONG, "--unreachable-timeout", "2s")
    run_id = away.run_id
    away.await_line("tick 1")
    # The last to begin, so that it still computes when its SuperLink comes back.
    back = trials.begin("--set", "ticks=60")
    back.await_line("tick 1")
    federation.kill("superlink")
    trials.end("the SuperLink stays away, with `--unreachable-timeout 2s`", away)
    federation.start_superlink()
    federation.await_control()
    trials.end("the SuperLink goes and comes back", back)
    trials.stop(run_id)


@contextmanager
def _expiry(trials: Trials) -> Iterator[None]:
    """A run whose follower's certificate expires, with time for other trials meanwhile."""
    federation = trials.federation
    run_id = trials.running("tick 1", "--set", "ticks=10000")
    federation.issue("analyst", file="brief", seconds=BRIEF)
    submission = trials.begin("--unreachable-timeout", "2s", attach=run_id, user="brief")
    submission.await_line("tick 1")
    yield
    until(federation.connection("brief").overdue, 2 * BRIEF, "an expired certificate")
    federation.kill("gateway")
    federation.start_gateway()
    federation.await_control()
    trials.end(
        "its certificate expires meanwhile, with `--unreachable-timeout 2s`",
        submission,
    )
    trials.stop(run_id)


def _losses(trials: Trials) -> None:
    """The last runs: nobody takes them any more, and the SuperLink forgets one."""
    federation = trials.federation
    federation.kill("superexec")
    submission = trials.begin()
    run_id = submission.run_id
    submission.await_line("is pending")
    trials.stop(run_id)
    trials.end("somebody else stops it while it is pending", submission)
    trials.end(
        "nobody starts its ServerApp, with `--pending-timeout 2s`", trials.begin("--pending-timeout", "2s")
    )
    submission = trials.begin()
    submission.await_line("is pending")
    federation.kill("superlink")
    for file in federation.folder.glob("state.db*"):
        file.unlink()
    federation.start_superlink()
    trials.end("the SuperLink comes back without its database", submission)


def _following(trials: Trials) -> None:
    """Runs that are stopped, that are followed no longer, and that lose their SuperLink."""
    with _expiry(trials):
        _hands(trials)
    _absences(trials)
    _losses(trials)


@contextmanager
def tried(folder: Path) -> Iterator[dict[str, Seen]]:
    """Try all ways that a run can end; give what was seen by name. Raises at its end what a part raised."""
    seen: dict[str, Seen] = {}

    def done(part: Callable[[Trials], None]) -> None:
        own = folder / part.__name__.strip("_")
        own.mkdir()
        with running(own, direct=True) as federation:
            trials = Trials(federation, own)
            try:
                part(trials)
            finally:
                trials.close()
                seen.update(trials.seen)

    with ThreadPoolExecutor() as pool:
        begun = [pool.submit(done, part) for part in (apps, _silence, _departures, _following)]
    try:
        yield seen
    finally:
        for each in begun:
            each.result()
