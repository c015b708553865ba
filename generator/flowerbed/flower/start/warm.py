"""App processes are forked from a process that has imported Flower: added to Flower's SuperExec.

Flower's SuperExec starts a Python of its own for each task, which imports Flower and the app's libraries: 1.3
to 10 s of CPU time a message (flwr 1.41: SubprocessExecutor). With FLOWERBED_EXECUTION=fast the SuperExec
forks a fork server (warm_server.py) before it has read a secret or started a thread, and asks it for each
ServerApp and ClientApp. The fork server forks that process, and reports its process id and how it ended.

Each request goes over a socket that the two share, with these descriptors: what to report to, the pipe that
the app process reads its token from, and those that app_starts.py and app_ends.py give every app process.
Where no process can be forked, Flower's own way is used, and the log says why, once.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import app_starts, hooks, warm_server

SERVER = "FLOWERBED_FORK_SERVER"  # the descriptor of the socket, in a fork server that is started anew
STATE = "FLOWERBED_EXECUTION_STATE"  # the file that says how app processes are started
STOCK = "app processes are started in Flower's own way"
RESTART_INTERVAL = 60.0  # seconds between two restarts of a fork server, at least


class ForkedProcess:
    """An app process that the fork server has started, as `subprocess.Popen` is one: pid, wait, poll."""

    def __init__(self, pid: int, report: int, lost: Callable[[], None]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._report, self._lost = report, lost
        self._lock = threading.Lock()

    def wait(self) -> int:
        """Wait for its end and return its exit code, the negated number of the signal that ended it.

        If the fork server ends, the process ends with it by SIGKILL.
        """
        with self._lock:
            if self.returncode is None:
                line = warm_server.read_line(self._report)
                os.read(self._report, 1)  # until the fork server has closed it
                os.close(self._report)
                if not line:
                    self._lost()
                    with contextlib.suppress(ChildProcessError):  # unless this is a pod's first process
                        os.waitpid(self.pid, 0)
                self.returncode = int(line or -signal.SIGKILL)
            return self.returncode

    def poll(self) -> int | None:
        """Return the exit code once the thread that waits for this process knows it, else None."""
        return self.returncode


class ForkServer:
    """The SuperExec's end: the fork server's socket and process id."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self._connection, self._pid = connection, pid
        self.ended, self._ready = False, False

    def ready(self) -> bool:
        """Return whether it takes requests. Once it has imported what it is to, it says so, or why it cannot.

        Raises RuntimeError with that reason, and OSError where it has ended.
        """
        if not self._ready:
            with contextlib.suppress(BlockingIOError):
                said = self._connection.recv(4096, socket.MSG_DONTWAIT)
                if not said:
                    raise ConnectionError("the fork server has ended")
                if said != warm_server.READY:
                    raise RuntimeError(said.decode(errors="replace"))
                self._ready = True
        return self._ready

    def start(self, arguments: Sequence[str], given: Mapping[str, int], *, quiet: bool) -> ForkedProcess:
        """Have a process forked that runs Flower's program and holds the `given` descriptors.

        Raises OSError where the fork server has ended, and RuntimeError with the reason where it cannot fork.
        """
        words, token = _without_token(arguments)
        request = {"arguments": words, "names": list(given), "quiet": quiet}
        report, reported = os.pipe()
        reading, writing = os.pipe()
        try:
            os.write(writing, token.encode())
            descriptors = [reported, reading, *given.values()]
            socket.send_fds(self._connection, [json.dumps(request).encode()], descriptors)
        except BaseException:
            os.close(report)
            raise
        finally:
            for descriptor in (reported, reading, writing):
                os.close(descriptor)
        line = warm_server.read_line(report)
        if not line.isdigit():
            os.close(report)
            if not line:
                raise ConnectionError("the fork server has ended")
            raise RuntimeError(line)
        return ForkedProcess(int(line), report, self.reap)

    def reap(self) -> None:
        """Note that the fork server has ended, and leave no zombie of it."""
        self.ended = True
        with contextlib.suppress(ChildProcessError, ProcessLookupError):
            os.waitpid(self._pid, 0)

    def close(self) -> None:
        """End the fork server: it ends once its socket is closed and its processes have ended."""
        self._connection.close()


def _without_token(arguments: Sequence[str]) -> tuple[list[str], str]:
    place = arguments.index(hooks.TOKEN)
    return [*arguments[:place], *arguments[place + 2 :]], arguments[place + 1]


class Starter:
    """Starts app processes in a SuperExec: forked where that can be, else as Flower does."""

    def __init__(self) -> None:
        self._server: ForkServer | None = None
        self._told = False
        self._restarted_at = -RESTART_INTERVAL

    def begin(self) -> warm_server.Task | None:
        """Start the fork server. Returns None in the SuperExec, in an app process forked later its task."""
        if text := os.environ.pop(SERVER, ""):
            os.set_inheritable(int(text), False)
            return warm_server.serve(socket.socket(fileno=int(text)))
        try:
            hooks.entries()
            warm_server.check_platform()
            gc.collect()
            gc.freeze()
            warm_server.single_threaded()
        except (RuntimeError, OSError, ImportError, AttributeError) as error:
            self.give_up(f"{error}")
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sys.stdout.flush()
        sys.stderr.flush()
        if not (pid := os.fork()):
            ours.close()
            return warm_server.serve(theirs)
        theirs.close()
        self._server = ForkServer(ours, pid)
        _note("fast")
        return None

    def __call__(
        self,
        arguments: Sequence[str],
        given: Mapping[str, int],
        **named: Any,  # noqa: ANN401  (Popen's)
    ) -> ForkedProcess | subprocess.Popen[bytes]:
        """Start a process for Flower's `arguments`, which holds the `given` descriptors, by variable."""
        if self._server is not None and arguments[0] in hooks.APPS:
            try:
                if self._server.ended:
                    raise ConnectionError("the fork server has ended")
                if self._server.ready():
                    quiet = named.get("stdout") == subprocess.DEVNULL
                    return self._server.start(arguments, given, quiet=quiet)
            except RuntimeError as error:
                self.give_up(f"{error}")
            except OSError:
                self._restart()
        return app_starts.cold(arguments, given, **named)

    def give_up(self, reason: str) -> None:
        """Use Flower's own way from now on, and say why."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if not self._told:
            self._told = True
            hooks.tell(f"{STOCK}: {reason}")
            _note(f"stock: {reason}")

    def _restart(self) -> None:
        """Start a fork server anew: no fork of this process, which has threads by now."""
        assert self._server is not None  # noqa: S101  (it has ended)
        self._server.close()
        self._server.reap()
        if time.monotonic() - self._restarted_at < RESTART_INTERVAL:
            self.give_up("the fork server ended twice within a minute")
            return
        self._restarted_at = time.monotonic()
        hooks.tell("the fork server has ended, and is started again")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            environment = {**os.environ, SERVER: str(theirs.fileno())}
            command = [sys.executable, *sys.orig_argv[1:]]
            process = subprocess.Popen(command, env=environment, pass_fds=(theirs.fileno(),))
        self._server = ForkServer(ours, process.pid)


def _note(text: str) -> None:
    """Write how app processes are started to the file that `flowerbed status` reads."""
    if name := os.environ.get(STATE):
        with contextlib.suppress(OSError):
            Path(name).write_text(text + "\n")


def superexec(starter: Starter) -> None:
    """In a SuperExec: have it start the fork server first."""
    without = STOCK
    module = hooks.module(hooks.SUPEREXEC, hooks.SUPEREXEC_ENTRY, without=without)
    if module is None:
        _note("stock: this version of Flower differs")
        return

    def make(original: hooks.Function) -> hooks.Function:
        def run(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  (Flower's)
            task = starter.begin()
            return original(*arguments, **named) if task is None else task.run()

        return run

    hooks.replace(module, hooks.SUPEREXEC_ENTRY, make)
