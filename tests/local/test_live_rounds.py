"""The table of rounds below a followed run's log, on a real terminal (a pty)."""

from __future__ import annotations

import os
import pty
import re
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_helpers import flowerbed as command_line
from submit_federation import LIMIT, Federation, last_word, running, submit
from told_rounds import SERVER

from submit_apps import write_app  # isort: skip  (found through submit_federation)

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


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with running(tmp_path_factory.mktemp("federation")) as federation:
        yield federation


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_app(tmp_path_factory.mktemp("app"), {"tiny/server.py": SERVER})


@pytest.fixture(scope="module")
def ended(federation: Federation, app: Path) -> str:
    """Return the id of a run of three rounds that has completed."""
    code, output, _ = submit(federation, app, "--set", "ticks=3", "--set", "pause=0", "--set", "ending=well")
    assert code == 0
    return output.split()[0]


def test_rounds_appear_while_the_run_goes_on(federation: Federation, app: Path, tmp_path: Path) -> None:
    """The table grows below the log; Ctrl-C takes it away, and the question can be answered."""
    options = ("--connection", federation.connection_file(), "--records", tmp_path)
    terminal = Terminal("submit", app, *options, "--set", "ticks=500", "--set", "pause=0.2")
    terminal.until("0.8750 │")
    assert "rounds: 3" in terminal.seen
    run_id = re.findall(r"run (\d+) is running", terminal.seen)[0]
    assert 'metrics {"round": 2' in terminal.seen
    terminal.type("\x03")
    terminal.until("y stops it")
    assert SHOW_CURSOR in terminal.seen
    before = len(terminal.seen)
    terminal.type("y\n")
    shown = terminal.end()
    assert terminal.code == 130
    assert "rounds: " not in shown[before:]
    assert last_word(federation, run_id) == "stopped"


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
    federation: Federation,
    ended: str,
    tmp_path: Path,
    options: tuple[str, ...],
    environment: dict[str, str],
    table: bool,
    colours: bool | None,
) -> None:
    """A terminal does, in colours unless NO_COLOR is set; with --plain, or on a dumb one, lines alone."""
    where = ("--connection", federation.connection_file(), "--records", tmp_path)
    terminal = Terminal("attach", ended, *where, *options, **environment)
    shown = terminal.end()
    assert terminal.code == 0
    assert 'metrics {"round": 3' in shown
    assert f"run {ended}: completed" in shown
    assert ("rounds: 3" in shown) is table
    assert (SHOW_CURSOR in shown) is table
    if colours is not None:
        assert bool(COLOUR.search(shown)) is colours
