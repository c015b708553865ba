"""Runs that wait for others: a limit of runs at once, and app processes that start a few at a time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from flowerbed import runs
from flowerbed.flower.options import FollowOptions
from support.loopback_federation import Federation, submit, ticks


def begun(federation: Federation, app: Path, *arguments: str) -> str:
    """Start a run that nobody follows; return its id."""
    return submit(federation, app, "--detach", *arguments)[1].strip()


def test_one_at_a_time_in_their_order(federation: Federation, app: Path) -> None:
    """With room for one run the others wait, the oldest first; who follows reads the place, and waits."""
    federation.kill("superexec")
    federation.start_superexec(max_runs=1)
    ids = [begun(federation, app, "--set", "ticks=40") for _ in range(3)]
    said: list[str] = []
    # The time that a run may be pending does not count while another one goes on.
    following = FollowOptions(say=said.append, log=lambda _: None, pending_timeout=15)
    outcome = runs.follow(federation.connection(), ids[-1], following)
    assert (outcome.exit_code, outcome.status) == (0, "completed")
    assert f"run {ids[-1]} waits: 1 run before it, 1 running" in said
    assert f"run {ids[-1]} waits: 1 running" in said
    found = [runs.get_run(federation.connection(), run_id) for run_id in ids]
    assert [run.outcome for run in found] == ["completed"] * 3
    for before, after in pairwise(found):
        assert before.finished_at <= after.running_at


def test_all_at_once_where_there_is_no_limit(federation: Federation, app: Path) -> None:
    """The control: without a limit nobody waits, and each app is started once however many come."""
    federation.kill("superexec")
    federation.start_superexec()
    ids = [begun(federation, app, "--set", "ticks=40") for _ in range(6)]
    outcomes = [
        runs.follow(federation.connection(), run_id, FollowOptions(say=lambda _: None, log=lambda _: None))
        for run_id in ids
    ]
    assert {outcome.status for outcome in outcomes} == {"completed"}
    for run_id in ids:
        assert ticks(runs.read_log(federation.connection(), run_id)) == list(range(40))
    found = [runs.get_run(federation.connection(), run_id) for run_id in ids]
    assert max(run.running_at for run in found[:2]) < min(run.finished_at for run in found[:2])
