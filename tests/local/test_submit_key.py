"""Two submissions with one key are one run, whatever became of the first submitter."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flowerbed import runs
from flowerbed.flower.app.app import load
from flowerbed.flower.client import FlowerClient
from flowerbed.flower.idempotency import keyed, start_once
from flowerbed.flower.runs import start
from support.loopback_federation import Federation, Submission, last_word, submit, ticks


def count(federation: Federation) -> int:
    return len(runs.list_runs(federation.connection(), limit=1000))


def test_after_the_first_submitter_was_killed(federation: Federation, app: Path) -> None:
    """Killed in the middle: the second submission attaches and shows the whole log, and so does a third."""
    first = Submission(federation, app, "--key", "nightly", "--set", "ticks=20")
    run_id = first.run_id
    first.await_line("tick 1")
    first.process.kill()
    first.end()
    before = count(federation)
    for _ in range(2):
        code, output, errors = submit(federation, app, "--key", "nightly", "--set", "ticks=20")
        assert (code, output.strip(), ticks(errors)) == (0, run_id, list(range(20)))
        assert f"run {run_id} has this key already at" in errors
    assert count(federation) == before


def test_what_belongs_to_a_key(federation: Federation, app: Path) -> None:
    """Another config, another key, or none: another run. --ci twice is one."""
    arguments = [
        ["--key", "a", "--set", "ticks=0"],
        ["--key", "a", "--set", "ticks=1"],
        ["--key", "b", "--set", "ticks=0"],
        ["--ci", "--set", "ticks=0"],
        ["--set", "ticks=0"],
        ["--ci", "--set", "ticks=0"],
    ]
    ids = [submit(federation, app, "--detach", *given)[1].strip() for given in arguments]
    assert len(set(ids)) == 5
    assert ids[3] == ids[5]


def test_after_an_answer_that_was_lost(federation: Federation, app: Path) -> None:
    """A run was started and nobody heard: the next submission finds it, and stops a twin of it."""
    marked = keyed(load(app), "lost", "analyst", {})
    with FlowerClient(federation.connection()) as client:
        first, twin = (start(client, marked, {}) for _ in range(2))
        started = start_once(client, marked, {}, 5, print)
    assert (started.run_id, started.found) == (first, True)
    assert last_word(federation, str(twin)) == "stopped"


def test_two_at_once(federation: Federation, app: Path) -> None:
    """Of several submissions at the same moment one run goes on, and all follow it."""
    with ThreadPoolExecutor(4) as pool:
        given = ["--key", "race", "--set", "ticks=8"]
        ends = list(pool.map(lambda _: submit(federation, app, *given), range(4)))
    assert {code for code, _, _ in ends} == {0}
    [run_id] = {output.strip() for _, output, _ in ends}
    marked = runs.get_run(federation.connection(), run_id).fab_hash
    same = [run for run in runs.list_runs(federation.connection(), 1000) if run.fab_hash == marked]
    assert sorted(run.outcome for run in same) == ["completed"] + ["stopped"] * (len(same) - 1)
