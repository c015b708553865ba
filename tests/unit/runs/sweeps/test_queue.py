"""The grid, the queue and the state of a sweep: as many at once as allowed, saved at each change, resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowerbed.errors import RefusedError, UnreachableError, UsageError
from flowerbed.flower.app.run_config import Scalar
from flowerbed.flower.errors import refusal
from flowerbed.flower.runs import Outcome
from flowerbed.runs.records.index import listing
from flowerbed.runs.sweeps import queue as queues
from flowerbed.runs.sweeps.queue import Limits, Queue, given_up
from flowerbed.runs.sweeps.state import (
    Point,
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
from support.record_folders import keep

GRID = [(f"seed={at}",) for at in range(1, 5)]


class Federation:
    """A federation in which every run ends at the third look; `keys` are those by which runs were started."""

    def __init__(self, sweep: Sweep, ends: dict[str, tuple[str, int]] | None = None) -> None:
        self.sweep, self.ends = sweep, ends or {}
        self.keys: dict[str, str] = {}
        self.looks: dict[str, int] = {}
        self.stopped: list[str] = []
        self.most = 0
        self.fault: Exception | None = None

    def start(self, point: Point) -> str:
        self._fail()
        run_id = self.keys.setdefault(self.sweep.key(point), f"{100 + len(self.keys)}")
        self.most = max(self.most, sum(self.looks.get(one, 0) < 3 for one in self.keys.values()))
        return run_id

    def look(self, point: Point) -> str:
        self._fail()
        self.looks[point.run_id] = self.looks.get(point.run_id, 0) + 1
        done = self.looks[point.run_id] >= 3 or point.run_id in self.stopped
        return "finished" if done else "running"

    def stop(self, point: Point) -> None:
        self.stopped.append(point.run_id)

    def end(self, point: Point) -> Outcome:
        word, code = self.ends.get(point.name, ("completed", 0))
        if point.run_id in self.stopped:
            word, code = "stopped", 4
        return Outcome(run_id=point.run_id, status=word, reason="", exit_code=code)

    def _fail(self) -> None:
        if self.fault:
            raise self.fault


def made(root: Path, name: str = "grid") -> Sweep:
    return opened(root, name, "print", GRID)[0]


def queue(root: Path, sweep: Sweep, work: Federation, told: list[str], **limits: float | None) -> Queue:
    options = Limits(parallel=2, **limits)  # type: ignore[arg-type]
    return Queue(sweep, work, options, saver(root, sweep), told.append)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "POLL", 0.0)


def test_two_at_a_time(tmp_path: Path) -> None:
    """Each combination has one run, in the order of the grid; the exit code is the worst run's."""
    sweep, told = made(tmp_path), list[str]()
    work = Federation(sweep, {"grid-2": ("failed", 1)})
    queue(tmp_path, sweep, work, told).run()
    assert work.most == 2
    assert [point.run_id for point in sweep.points] == ["100", "101", "102", "103"]
    assert [point.status for point in sweep.points] == ["completed", "failed", "completed", "completed"]
    assert sweep.exit_code == 1
    assert told[0] == "grid-1 (seed=1): run 100"
    assert told[-1] == "grid-4: completed (4 of 4)"
    assert opened(tmp_path, "grid", "print", GRID) == (sweep, True)


@pytest.mark.parametrize("steps", range(1, 8))
def test_killed_at_any_step(tmp_path: Path, steps: int) -> None:
    """Another process goes on from the file; nothing is started twice."""
    first = made(tmp_path)
    work = Federation(first)
    going = queue(tmp_path, first, work, [])
    for _ in range(steps):
        going.step()
    second = made(tmp_path)
    assert second == first
    assert second.token == first.token
    work.sweep = second
    queue(tmp_path, second, work, []).run()
    assert len(work.keys) == 4
    assert all(point.exit_code == 0 for point in second.points)


def test_killed_between_start_and_state(tmp_path: Path) -> None:
    """A run that was started and not noted is found by its key."""
    sweep = made(tmp_path)
    saver(tmp_path, sweep)()
    work = Federation(sweep)
    work.start(sweep.points[0])
    again = made(tmp_path)
    work.sweep = again
    queue(tmp_path, again, work, []).run()
    assert len(work.keys) == 4


def test_a_run_that_is_run_again_has_another_key(tmp_path: Path) -> None:
    """What was stopped, or went with its federation, is not found by its former key."""
    sweep = made(tmp_path)
    point = sweep.points[0]
    before, point.run_id = sweep.key(point), "100"
    point.again()
    assert (point.run_id, sweep.key(point) == before) == ("", False)


def test_a_run_that_is_given_up_loses_its_name(tmp_path: Path) -> None:
    """Its record stays, complete; the name is for the next run. Without a record nothing is missing."""
    point = Point(name="grid-1", settings=GRID[0], run_id="1234567890123456789", exit_code=1, reason="x")
    keep(tmp_path, point.run_id, name="grid-1", tags=("grid",))
    given_up(tmp_path, point)
    assert (point.run_id, point.exit_code, point.reason, point.attempt) == ("", None, "", 1)
    [entry] = listing(tmp_path).entries
    assert (entry.name, entry.tags, entry.complete) == ("", ("grid",), True)
    point.run_id = "9876543210987654321"
    given_up(tmp_path, point)
    assert point.attempt == 2


def test_a_run_that_takes_too_long(tmp_path: Path) -> None:
    """It is stopped, once, and is a time-out; the others go on."""
    sweep = made(tmp_path)
    work = Federation(sweep)
    queue(tmp_path, sweep, work, [], timeout=0.0).run()
    assert work.stopped == ["100", "101", "102", "103"]
    assert sweep.exit_code == 5
    assert sweep.points[0].reason == "not finished after 0 s; the run was stopped"


def test_an_absent_superlink(tmp_path: Path) -> None:
    """It is borne with for a while, and said once; a refusal ends the sweep at once."""
    sweep, told = made(tmp_path), list[str]()
    work = Federation(sweep)
    going = queue(tmp_path, sweep, work, told, patience=60.0)
    going.step()
    work.fault = UnreachableError("no answer")
    assert going.step()
    assert going.step()
    assert told[2:] == ["no answer; trying again for up to 60 s"]
    work.fault = None
    going.step()
    assert told[3] == "the SuperLink answers again"
    work.fault = refusal(403, 0, "not allowed", address="localhost:1")
    with pytest.raises(RefusedError):
        going.step()
    work.fault = UnreachableError("no answer")
    short = queue(tmp_path, sweep, work, [], patience=-1.0)
    with pytest.raises(UnreachableError):
        short.step()


def test_another_sweep_of_the_same_name(tmp_path: Path) -> None:
    """Other settings are refused, unless the sweep is begun anew; damage is named."""
    first = made(tmp_path)
    saver(tmp_path, first)()
    with pytest.raises(UsageError, match="begun with another app"):
        opened(tmp_path, "grid", "other", GRID)
    anew, old = opened(tmp_path, "grid", "other", GRID, restart=True)
    assert not old
    assert anew.token != first.token
    file_of(tmp_path, "grid").write_text("{")
    with pytest.raises(UsageError, match="not the state of a sweep"):
        opened(tmp_path, "grid", "print", GRID)


def test_the_fingerprint(tmp_path: Path) -> None:
    """App, file and settings all count."""
    file = tmp_path / "more.toml"
    file.write_text("a = 1\n")
    prints = [fingerprint("x", None, GRID), fingerprint("y", None, GRID), fingerprint("x", file, GRID)]
    file.write_text("a = 2\n")
    prints += [fingerprint("x", file, GRID), fingerprint("x", None, GRID[:2])]
    assert len(set(prints)) == 5
    assert fingerprint("x", None, GRID) == prints[0]


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """The second is refused while the first holds the sweep; another name is free, and so is an ended one."""
    with claimed(tmp_path, "grid"):
        with (
            pytest.raises(UsageError, match="another process runs the sweep grid"),
            claimed(tmp_path, "grid"),
        ):
            pass
        with claimed(tmp_path, "other"):
            pass
    with claimed(tmp_path, "grid"):
        pass


DEFAULTS: dict[str, Scalar] = {"lr": 0.1, "seed": 1, "deep": False, "kind": "mean", "model.depth": 2}


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("lr=0.01,0.1", ["0.01", "0.1"]),
        ("lr = 0.01 , 0.1", ["0.01", "0.1"]),
        ("seed=1..3", ["1", "2", "3"]),
        ("seed=-1..1,7", ["-1", "0", "1", "7"]),
        ("seed=5..5", ["5"]),
        ('kind="a,b",c', ['"a,b"', "c"]),
        ("kind=it's,b", ["it's", "b"]),
        ('kind="",x', ['""', "x"]),
        ("kind=../data,x", ["../data", "x"]),
        ('kind="1..3"', ['"1..3"']),
        ("model={depth=4, wide=[1,2]},{depth=5}", ["{depth=4, wide=[1,2]}", "{depth=5}"]),
        ("url=a=b,c", ["a=b", "c"]),
    ],
)
def test_values(setting: str, values: list[str]) -> None:
    """Commas separate, but not inside quotes and brackets; two integers are a range."""
    [axis] = axes([setting])
    assert list(axis.values) == values


def test_the_order_is_that_of_the_options() -> None:
    """The last key changes fastest; equal input gives an equal grid."""
    found = combinations(axes(["lr=0.2,0.1", "seed=1..2"]))
    assert found == [
        ("lr=0.2", "seed=1"),
        ("lr=0.2", "seed=2"),
        ("lr=0.1", "seed=1"),
        ("lr=0.1", "seed=2"),
    ]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["lr="], "a value is empty"),
        (["lr"], "write KEY=VALUE"),
        (["lr=0.1,,0.2"], "a value is empty"),
        (["lr=0.1,0.1"], "0.1 occurs twice"),
        (["lr=0.1", "lr=0.2"], "lr is set before"),
        (["lr=0.1..0.5"], "a range has two integers"),
        (["seed=3..1"], "ends before it begins"),
        (["seed=1..999999999999"], "has 999,999,999,999 values"),
        (["seed=1..100", "lr=1,2,3,4,5,6,7,8,9,10,11"], "1,100 runs are more than the limit of 1,000"),
    ],
)
def test_what_is_no_grid(settings: list[str], words: str) -> None:
    """The refusal names the option."""
    with pytest.raises(UsageError, match="(?s)" + words.replace("..", r"\.\.")):
        axes(settings)


def test_more_runs_on_request() -> None:
    """A higher limit is a word of its own."""
    assert len(combinations(axes(["seed=1..1100"], 1100))) == 1100


def test_every_value_is_checked(tmp_path: Path) -> None:
    """All unknown keys and wrong types are told at once, each once; the file's as well."""
    file = tmp_path / "more.toml"
    file.write_text("nothing = 1\n")
    check(axes(["lr=0.1,1", "seed=1..3", "deep=true,false", "kind=a,3"]), DEFAULTS)
    with pytest.raises(UsageError) as caught:
        check(axes(["lr=0.1,x,y", "sed=1..2", "seed=1.5"]), DEFAULTS, file)
    lines = caught.value.what.splitlines()
    assert [line for line in lines if "lr must be a number" in line and ("'x'" in line or "'y'" in line)]
    assert sum("did you mean 'seed'" in line for line in lines) == 2
    assert any("seed must be an integer" in line for line in lines)
    assert sum("nothing" in line for line in lines) == 1
    with pytest.raises(UsageError, match=r"model\.depth is set by two"):
        check(axes(["model={depth=4}", "model.depth=1,2"]), DEFAULTS)
