"""The table of rounds below a followed run's log, on a real terminal (a pty)."""

from __future__ import annotations

import os
import pty
import re
import select
import time
from pathlib import Path

import pytest
from local_helpers import flowerbed as command_line
from submit_federation import LIMIT, Federation, last_word

from flowerbed import runs
from flowerbed.scripts.flower_interruptions import REPEATS

COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7]|38)[;m]")
SHOW_CURSOR = "\x1b[?25h"


class Terminal:
    """A program that runs on a terminal of its own."""

    def __init__(self, *arguments: object, **environment: str) -> None:
        self.seen = ""
        self.code: int | None = None
        command = command_line(*arguments)
        plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        self._pid, self._end = pty.fork()
        if self._pid == 0:
            os.execvpe(command[0], command, {**plain, "TERM": "xterm", "COLUMNS": "100", **environment})

    def until(self, text: str) -> None:
        """Read until `text` has been shown."""
        limit = time.monotonic() + LIMIT
        while text not in self.seen:
            assert self._read(limit), f"{text!r} never came: {self.seen[-3000:]}"

    def type(self, text: str) -> None:
        """Type on its keyboard."""
        os.write(self._end, text.encode())

    def end(self) -> str:
        """Read until it ends, keep its exit code, and return all that it has shown."""
        limit = time.monotonic() + LIMIT
        while self._read(limit):
            pass
        os.close(self._end)
        self.code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self.seen

    def _read(self, limit: float) -> bool:
        ready, _, _ = select.select([self._end], [], [], max(0.0, limit - time.monotonic()))
        assert ready, f"nothing more within {LIMIT:.0f} s: {self.seen[-3000:]}"
        try:
            piece = os.read(self._end, 65536)
        except OSError:  # so Linux says that nobody has the other end any more
            return False
        self.seen += piece.decode(errors="replace")
        return bool(piece)


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
    assert ("the run goes on" in shown[before:]) is (status == "running")
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
