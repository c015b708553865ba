"""The table of rounds below a followed run's log, on a real terminal (a pty)."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from flowerbed import runs
from flowerbed.flower.interrupts import REPEATS
from support.loopback_federation import Federation, last_word
from support.terminal import Terminal

COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7]|38)[;m]")
SHOW_CURSOR = "\x1b[?25h"


@pytest.mark.parametrize(
    ("answer", "status"),
    [("y\n", "stopped"), ("n\n", "running"), ("\n", "running"), ("\x03", "running"), ("\x04", "running")],
    ids=["yes", "no", "enter", "ctrl-c", "end-of-input"],
)
def test_rounds_appear_until_the_run_is_left(
    told_federation: Federation, told_app: Path, tmp_path: Path, answer: str, status: str
) -> None:
    """The table grows below the log; Ctrl-C takes it away, and asks: only a yes stops the run."""
    options = ("--connection", told_federation.connection_file(), "--records", tmp_path)
    terminal = Terminal("submit", told_app, *options, "--set", "ticks=500", "--set", "pause=0.2")
    terminal.until("0.8750 │")
    assert re.search(r"rounds: \d+", terminal.seen)
    run_id = re.findall(r"run (\d+) was started", terminal.seen)[0]
    assert 'metrics {"round": 2' in terminal.seen
    terminal.type("\x03")
    terminal.until("y stops it")
    assert SHOW_CURSOR in terminal.seen
    before = len(terminal.seen)
    time.sleep(1.5 * REPEATS)  # a second Ctrl-C at once counts as the first
    terminal.type(answer)
    shown = terminal.end()
    assert terminal.code == 130
    assert "rounds: " not in shown[before:]
    assert ("the run continues" in shown[before:]) is (status == "running")
    assert last_word(told_federation, run_id) == status
    runs.stop(told_federation.connection(), run_id)


@pytest.mark.parametrize(
    ("options", "environment", "table", "colours"),
    [
        ((), {}, True, True),
        ((), {"NO_COLOR": "1"}, True, False),
        (("--plain",), {}, False, None),
        ((), {"TERM": "dumb"}, False, None),
    ],
)
def test_who_gets_a_table(
    told_federation: Federation,
    told_runs: list[str],
    tmp_path: Path,
    options: tuple[str, ...],
    environment: dict[str, str],
    table: bool,
    colours: bool | None,
) -> None:
    """A terminal does, in colours unless NO_COLOR is set; with --plain, or on a dumb one, lines alone."""
    where = ("--connection", told_federation.connection_file(), "--records", tmp_path)
    terminal = Terminal("attach", told_runs[0], *where, *options, **environment)
    shown = terminal.end()
    assert terminal.code == 0
    assert 'metrics {"round": 3' in shown
    assert f"run {told_runs[0]}: completed" in shown
    assert ("rounds: 3" in shown) is table
    assert (SHOW_CURSOR in shown) is table
    if colours is not None:
        assert bool(COLOUR.search(shown)) is colours
