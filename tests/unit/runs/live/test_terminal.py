"""What a terminal shows of a run while it is followed: the heading, the table, lines that repeat."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from flowerbed.flower.submission import MOST_REPEATED, Repeats
from flowerbed.runs.live.clock import Clock
from flowerbed.runs.live.terminal import table
from flowerbed.runs.metrics.log import LogReader

BEGIN = "Starting FedAvg strategy:\n\t├── Number of rounds: 3\n"
TRAIN = "configure_train: Sampled 3 nodes (out of 3)\n"
TRAINED = "aggregate_train: Received 3 results and 0 failures\n"
EVALUATE = "configure_evaluate: Sampled 3 nodes (out of 3)\n"
FIGURES = "\t└──> Aggregated MetricRecord: {'a-metric-with-a-very-long-name-indeed': 0.5, 'b': 1, 'c': 2}\n"
WAITING = "INFO :      Waiting for nodes to connect: 2 connected (minimum required: 3).\n"


def heading(log: str, *looks: float) -> str:
    reader, clock = LogReader(), Clock()
    reader.feed(log)
    for computing in looks:
        clock.look("running", computing)
    return clock.heading(reader.finish(), reader.replies)


@pytest.mark.parametrize(
    ("log", "looks", "shown"),
    [
        ("", (), "run is starting: 0:00 in all"),
        (WAITING, (), "run waits for 3 nodes, 2 are online: 0:00, 0:00 in all"),
        (f"{BEGIN}[ROUND 1/3]\n", (), "rounds: 0 of 3; round 1, 0:00, 0:00 in all"),
        (
            f"{BEGIN}[ROUND 1/3]\n{TRAIN}",
            (7.0,),
            "rounds: 0 of 3; round 1: training, 3 nodes asked, 0:00, 0:00 in all",
        ),
        (
            f"{BEGIN}[ROUND 1/3]\n{TRAIN}",
            (7.0, 8.0, 8.0, 9.0),
            "rounds: 0 of 3; round 1: training, at least 2 of 3 answered, 0:00, 0:00 in all",
        ),
        (
            f"{BEGIN}[ROUND 3/3]\n{TRAIN}{TRAINED}",
            (),
            "rounds: 0 of 3; round 3: training, 3 of 3 answered, 0:00, 0:00 in all",
        ),
        (
            f"{BEGIN}[ROUND 1/3]\n[ROUND 2/3]\n[ROUND 3/3]\n{TRAIN}{TRAINED}{EVALUATE}",
            (),
            "rounds: 2 of 3; round 3: evaluation, 3 nodes asked, 0:00, 0:00 in all",
        ),
        (
            f"{BEGIN}[ROUND 1/3]\n[ROUND 2/3]\n[ROUND 3/3]\nStrategy execution finished in 3.5s\n",
            (),
            "rounds: 3 of 3, 0:00 in all",
        ),
        ('metrics {"round": 1, "a": 0.5}\nmetrics {"round": 2, "a": 0.5}\n', (), "rounds: 2, 0:00 in all"),
    ],
)
def test_the_heading_says_where_the_run_is(log: str, looks: tuple[float, ...], shown: str) -> None:
    """A round counts once it is over; answers are never more than have come."""
    assert heading(log, *looks) == shown


def test_answers_of_an_earlier_phase_do_not_count() -> None:
    """What grows between two phases belongs to the first of them."""
    clock = Clock()
    reader = LogReader()
    clock.look("running", 1.0)
    reader.feed(f"{BEGIN}[ROUND 1/3]\n{TRAIN}")
    clock.enter("training")
    clock.look("running", 2.0)
    assert "3 nodes asked" in clock.heading(reader.finish(), reader.replies)


def test_the_table_keeps_its_width() -> None:
    """Neither figures nor their names change the width of a column, and 80 columns are enough."""
    reader = LogReader()
    widths = set()
    reader.feed(f"{BEGIN}[ROUND 1/3]\n{TRAIN}{TRAINED}{FIGURES}")
    for log in ("", f"[ROUND 2/3]\n{TRAIN}{TRAINED}{FIGURES.replace('0.5', '1234567.25')}"):
        reader.feed(log)
        console = Console(file=io.StringIO(), width=80)
        console.print(table(reader.finish(), 80))
        assert isinstance(console.file, io.StringIO)
        widths |= {len(line) for line in console.file.getvalue().splitlines()}
    assert len(widths) == 1
    assert max(widths) <= 80


def test_waiting_lines_are_one_line_that_counts() -> None:
    """Other lines pass as they are, also where they repeat."""
    repeats = Repeats()
    assert repeats.shorten("same\nsame\n") == "same\nsame\n"
    assert repeats.shorten(WAITING) == WAITING
    assert repeats.shorten(WAITING * 2) == ""
    assert repeats.shorten("done\n") == "  (the same line 2 more times)\ndone\n"
    shown = f"{WAITING}  (the same line {MOST_REPEATED} more times)\n"
    assert repeats.shorten(WAITING * (MOST_REPEATED + 1)) == shown
    assert repeats.rest() == ""
    fewer = WAITING.replace("2 connected", "1 connected")
    assert repeats.shorten(fewer + fewer) == fewer
    assert repeats.rest() == "  (the same line 1 more time)\n"
