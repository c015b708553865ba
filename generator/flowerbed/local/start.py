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
from flowerbed.local.guardian import marked, sweep
from flowerbed.local.state import (
    Record,
    StateFolder,
    claimed,
    connection_file,
    digest,
    process_started,
    read_record,
    running,
    state_of,
)
from flowerbed.local.supervise import BUSY, Options
from flowerbed.plan import Plan
from flowerbed.project import Project

Tell = Callable[[str], None]
# How long, in seconds, a supervisor may take to end its parts in order, and a guardian in its place.
ORDERLY_END = 20.0
GUARDED_END = 10.0
STEP = 0.05


def _silent(_: str) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Federation:
    """A local federation that is online; as a context manager it goes down at the end, if it came up here.

    `owned` is False for one that ran already: leaving the context leaves it up.
    """

    plan: Plan
    file: Path
    record: Record
    owned: bool
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def connection(self, user: str | None = None) -> Path:
        """Return the connection.toml of `user`, by default of the first who may submit. Raises LocalError."""
        return connection_file(state_of(self.file, self.plan.name).path, user)

    def down(self) -> None:
        """Take the federation down, whoever started it."""
        down(state_of(self.file, self.plan.name))
        if self._process:
            self._process.wait(ORDERLY_END)

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
    state = state_of(file, plan.name)
    record = join(plan, state, options.timeout)
    if record:
        return Federation(plan, file, record, owned=False)
    process = _spawn(file, options)
    try:
        _listen(process, tell)
    except BaseException:
        process.terminate()  # it sits in a session of its own, so no Ctrl-C reaches it
        process.wait(ORDERLY_END)
        raise
    record = running(state)
    if record and record.state == "online":
        return Federation(plan, file, record, owned=True, _process=process)
    if process.wait(ORDERLY_END) == BUSY and (record := join(plan, state, options.timeout)):
        return Federation(plan, file, record, owned=False)
    raise _failure(state, process.returncode)


def join(plan: Plan, state: StateFolder, timeout: float) -> Record | None:
    """Return the federation that runs already, waiting while it starts; None when none does.

    Raises LocalError when it runs from another declaration, or does not come online.
    """
    limit = time.monotonic() + timeout
    while claimed(state):
        record = running(state)
        if record and record.plan != digest(plan):
            raise LocalError(
                f"{plan.name} runs from a declaration that has changed since",
                where=record.file,
                remedy="run `flowerbed down` first, then `flowerbed up`",
            )
        if record and record.state == "online":
            return record
        if time.monotonic() > limit:
            raise LocalError(f"{plan.name} is being started by another process and does not come online")
        time.sleep(STEP)
    return None


def down(state: StateFolder) -> bool:
    """Take down what runs in the state folder; return whether something did. Raises LocalError."""
    record = _awaited(state)
    if record is None and not marked(state.mark):
        return False
    if record and running(state):
        _end_supervisor(record)
    _sweep(state)
    state.record_file.unlink(missing_ok=True)
    return True


def down_all(file: Path) -> list[str]:
    """Take down what runs from a declaration, under whatever name it had then; return the names."""
    folders = [StateFolder(path) for path in Project(file).states()]
    ended = []
    for state in folders:
        record = _awaited(state)
        if record and record.file == str(file.resolve()) and down(state):
            ended.append(record.name)
    return ended


def _awaited(state: StateFolder) -> Record | None:
    """Return the record, giving a start that is under way the time to write it."""
    limit = time.monotonic() + GUARDED_END
    while (record := read_record(state)) is None and claimed(state) and time.monotonic() < limit:
        time.sleep(STEP)
    return record


def _end_supervisor(record: Record) -> None:
    for number, patience in ((signal.SIGTERM, ORDERLY_END), (signal.SIGKILL, 2.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, number)
        limit = time.monotonic() + patience
        while time.monotonic() < limit:
            if process_started(record.pid) != record.started:
                return
            time.sleep(STEP)


def _sweep(state: StateFolder) -> None:
    """Wait for the guardian to end what is left, and end what it could not. Raises LocalError."""
    limit = time.monotonic() + GUARDED_END
    while claimed(state) or marked(state.mark):
        if time.monotonic() > limit:
            break
        time.sleep(STEP)
    if left := sweep(state.mark):
        raise LocalError(f"processes cannot be ended: {', '.join(map(str, left))}", where=str(state.path))


def _spawn(file: Path, options: Options) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "flowerbed.local.supervise", str(file.resolve())]
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
    with process.stderr as said:
        for line in said:
            tell(line.rstrip("\n"))


def _failure(state: StateFolder, code: int) -> LocalError:
    try:
        reason = state.failure_file.read_text(encoding="utf-8").strip()
    except OSError:
        reason = f"its supervisor ended with {code}; see {state.log('supervisor')}"
    error = LocalError(reason)
    error.exit_code = code if code > 0 else LocalError.exit_code
    return error
