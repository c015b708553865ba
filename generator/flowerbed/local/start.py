"""Brings a local federation up from another process, and takes it down."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from flowerbed.errors import LocalError
from flowerbed.local.run import BUSY, Options
from flowerbed.local.state import LocalState, StateDirectory
from flowerbed.local.watchdog_process import kill_marked, marked_processes
from flowerbed.plan import Plan
from flowerbed.project import Project

Tell = Callable[[str], None]
# How long, in seconds, a supervisor may take to end its processes in order, and a watchdog in its place.
SUPERVISOR_END_TIMEOUT = 20.0
WATCHDOG_END_TIMEOUT = 10.0
KILL_TIMEOUT = 2.0
POLL_INTERVAL = 0.05


def _silent(_: str) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Federation:
    """A local federation that is online; as a context manager it goes down at the end, if it came up here.

    `owned` is False for one that ran already: leaving the context leaves it up.
    """

    plan: Plan
    file: Path
    record: LocalState
    owned: bool
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def connection(self, user: str | None = None) -> Path:
        """Return the connection.toml of `user`, by default of the first who may submit. Raises LocalError."""
        return StateDirectory.of(self.file, self.plan.name).connection_file(user)

    def down(self) -> None:
        """Take the federation down, whoever started it."""
        down(StateDirectory.of(self.file, self.plan.name))
        if self._process:
            self._process.wait(SUPERVISOR_END_TIMEOUT)

    def leave(self) -> None:
        """Ask a federation that came up here to end, and do not wait for that."""
        if self._process:
            self._process.terminate()

    def __enter__(self) -> Federation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.owned:
            self.down()


def up(plan: Plan, file: Path, options: Options | None = None, tell: Tell = _silent) -> Federation:
    """Bring the plan's federation up in a process of its own and return when all nodes are online.

    It ends with the calling process, unless the options say `detached`. One that runs already is joined.
    Raises LocalError when it cannot come up, with the reason and the end of the log in question.
    """
    options = options or Options()
    directory = StateDirectory.of(file, plan.name)
    record = join(plan, directory, options.timeout)
    if record:
        return Federation(plan, file, record, owned=False)
    process = _spawn(file, options)
    try:
        _listen(process, tell)
    except BaseException:
        process.terminate()  # it sits in a session of its own, so no Ctrl-C reaches it
        process.wait(SUPERVISOR_END_TIMEOUT)
        raise
    record = directory.running()
    if record and record.state == "online":
        return Federation(plan, file, record, owned=True, _process=process)
    if process.wait(SUPERVISOR_END_TIMEOUT) == BUSY and (record := join(plan, directory, options.timeout)):
        return Federation(plan, file, record, owned=False)
    raise _failure(directory, process.returncode)


def join(plan: Plan, directory: StateDirectory, timeout: float) -> LocalState | None:
    """Return the federation that runs already, waiting while it starts; None when none does.

    Raises LocalError when it runs from another declaration, or does not come online.
    """
    limit = time.monotonic() + timeout
    while directory.is_claimed():
        record = directory.running()
        if record and not record.runs(plan):
            raise LocalError(
                f"{plan.name} runs from a declaration that has changed since",
                where=record.file,
                remedy="run `flowerbed down` first, then `flowerbed up`",
            )
        if record and record.state == "online":
            return record
        if time.monotonic() > limit:
            raise LocalError(f"{plan.name} is being started by another process and does not come online")
        time.sleep(POLL_INTERVAL)
    return None


def down(directory: StateDirectory) -> bool:
    """Take down what runs in the state directory; return whether something did. Raises LocalError."""
    record = _started_state(directory)
    if record is None and not marked_processes(directory.mark):
        return False
    if record and record.is_supervised():
        _end_supervisor(record)
    _end_leftovers(directory)
    directory.state_file.unlink(missing_ok=True)
    return True


def down_all(file: Path) -> list[str]:
    """Take down what runs from a declaration, under whatever name it had then; return the names."""
    ended = []
    for directory in map(StateDirectory, Project(file).states()):
        record = _started_state(directory)
        if record and record.file == str(file.resolve()) and down(directory):
            ended.append(record.name)
    return ended


def _started_state(directory: StateDirectory) -> LocalState | None:
    """Return the state, giving a start that is under way the time to write it."""
    limit = time.monotonic() + WATCHDOG_END_TIMEOUT
    while (record := directory.read()) is None and directory.is_claimed() and time.monotonic() < limit:
        time.sleep(POLL_INTERVAL)
    return record


def _end_supervisor(record: LocalState) -> None:
    for number, timeout in ((signal.SIGTERM, SUPERVISOR_END_TIMEOUT), (signal.SIGKILL, KILL_TIMEOUT)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, number)
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            if not record.is_supervised():
                return
            time.sleep(POLL_INTERVAL)


def _end_leftovers(directory: StateDirectory) -> None:
    """Wait for the watchdog to end what is left, and end what it could not. Raises LocalError."""
    limit = time.monotonic() + WATCHDOG_END_TIMEOUT
    while directory.is_claimed() or marked_processes(directory.mark):
        if time.monotonic() > limit:
            break
        time.sleep(POLL_INTERVAL)
    if left := kill_marked(directory.mark):
        raise LocalError(f"processes cannot be ended: {', '.join(map(str, left))}", where=str(directory.path))


def _spawn(file: Path, options: Options) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "flowerbed.local.run", str(file.resolve())]
    command += ["--timeout", str(options.timeout)]
    command += ["--no-gateway"] * (not options.gateway) + ["--detached"] * options.detached
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
        errors="replace",
    )


def _listen(process: subprocess.Popen[str], tell: Tell) -> None:
    """Pass on what the supervisor says, until it lets go of standard error or ends."""
    assert process.stderr is not None  # noqa: S101  (it is a pipe)
    with process.stderr as lines:
        for line in lines:
            tell(line.rstrip("\n"))


def _failure(directory: StateDirectory, code: int) -> LocalError:
    try:
        reason = directory.failure_file.read_text(encoding="utf-8").strip()
    except OSError:
        reason = f"its supervisor ended with {code}; see {directory.log('supervisor')}"
    error = LocalError(reason)
    error.exit_code = code if code > 0 else LocalError.exit_code
    return error
