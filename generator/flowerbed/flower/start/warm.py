"""App processes are forked from a process that has imported Flower: added to Flower's SuperExec.

Flower's SuperExec starts a Python of its own for each task, which imports Flower and the app's libraries: 1.3
to 10 s of CPU time a message (flwr 1.41: SubprocessExecutor). With FLOWERBED_EXECUTION=fast the SuperExec
forks a fork server (warm_server.py) before it has read a secret or started a thread, and asks it for each
ServerApp and ClientApp. The fork server forks that process, and reports its process id and how it ended.

Each request goes over a socket that the two share, with these descriptors: what to report to, the pipe that
the app process reads its token from, and those that app_starts.py and app_ends.py give every app process.
Where no process can be forked, Flower's own way is used, and the log says why, once.

A SuperNode that starts a SuperExec of its own forks the fork server in its place, and has the SuperExec
forked by it: all three then share the memory of what they import.
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
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from . import app_starts, hooks, warm_server

PROGRAMS = "FLOWERBED_APPS"  # keys of hooks.APPS, with commas between them
SERVER = "FLOWERBED_FORK_SERVER"  # the descriptor of the socket, in a fork server that is started anew
STATE = "FLOWERBED_EXECUTION_STATE"  # the file that says how app processes are started
STOCK = "app processes are started in Flower's own way"
COLD = "the SuperExec is started in Flower's own way, which takes more memory"
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

    def __init__(self, connection: socket.socket, pid: int, *, ready: bool = False) -> None:
        self._connection, self._pid = connection, pid
        self.ended, self._ready = False, ready

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
    if hooks.TOKEN not in arguments:  # those of a SuperExec
        return list(arguments), ""
    place = arguments.index(hooks.TOKEN)
    return [*arguments[:place], *arguments[place + 2 :]], arguments[place + 1]


def _fork_server(*, superexec_first: bool = False) -> ForkServer | warm_server.Task:
    """Fork the fork server. Returns that, and in a process that it forks later the task of that process.

    Raises RuntimeError, OSError, ImportError or AttributeError where processes cannot be forked here.
    """
    hooks.load(_programs())
    if superexec_first:
        hooks.entry(hooks.SUPEREXEC_PROGRAM)
    warm_server.check_platform()
    gc.collect()
    gc.freeze()
    warm_server.single_threaded()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sys.stdout.flush()
    sys.stderr.flush()
    if not (pid := os.fork()):
        ours.close()
        return warm_server.serve(theirs, superexec_first=superexec_first)
    theirs.close()
    return ForkServer(ours, pid, ready=superexec_first)


def _programs() -> list[str]:
    """Return the app processes that this machine's SuperExec starts, those of both kinds if nobody says."""
    return [name for name in os.environ.get(PROGRAMS, "").split(",") if name in hooks.APPS] or list(
        hooks.APPS
    )


class Starter:
    """Starts app processes in a SuperExec: forked where that can be, else as Flower does."""

    def __init__(self, server: ForkServer | None = None) -> None:
        self._server = server
        self._told = False
        self._restarted_at = -RESTART_INTERVAL

    def begin(self) -> warm_server.Task | None:
        """Start the fork server. Returns None in the SuperExec, in an app process forked later its task."""
        if text := os.environ.pop(SERVER, ""):
            os.set_inheritable(int(text), False)
            hooks.load(_programs())
            return warm_server.serve(socket.socket(fileno=int(text)))
        try:
            server = _fork_server()
        except (RuntimeError, OSError, ImportError, AttributeError) as error:
            self.give_up(f"{error}")
            return None
        if isinstance(server, warm_server.Task):
            return server
        self._server = server
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
    module_name, name = hooks.ENTRIES[hooks.SUPEREXEC_PROGRAM]
    module = hooks.module(module_name, name, without=STOCK)
    if module is None:
        _note("stock: this version of Flower differs")
        return

    def make(original: hooks.Function) -> hooks.Function:
        def run(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  (Flower's)
            task = starter.begin()
            return original(*arguments, **named) if task is None else task.run()

        return run

    hooks.replace(module, name, make)


def supernode(limit: Callable[[Starter], None]) -> None:
    """In a SuperNode that starts a SuperExec: have that forked. `limit` is then called in the SuperExec."""
    if set(hooks.NO_SUPEREXEC) <= set(sys.argv):
        return
    module_name, name = hooks.ENTRIES[hooks.SUPERNODE_PROGRAM]
    module = hooks.module(module_name, name, without=COLD)
    starts = hooks.module(hooks.SUPERNODE, f"{hooks.SUBPROCESS}.Popen", without=COLD)
    if module is None or starts is None:
        return

    def make(original: hooks.Function) -> hooks.Function:
        def run(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  (Flower's)
            try:
                server = _fork_server(superexec_first=True)
            except (RuntimeError, OSError, ImportError, AttributeError) as error:
                hooks.tell(f"{COLD}: {error}")
                return original(*arguments, **named)
            if isinstance(server, warm_server.Task):
                return _run(server, limit)
            setattr(starts, hooks.SUBPROCESS, SimpleNamespace(Popen=partial(_start_superexec, server)))
            return original(*arguments, **named)

        return run

    hooks.replace(module, name, make)


def _start_superexec(
    server: ForkServer,
    arguments: Sequence[str],
    **named: Any,  # noqa: ANN401  (Popen's)
) -> ForkedProcess | subprocess.Popen[bytes]:
    """In a SuperNode: start its SuperExec, forked if that can be."""
    try:
        if arguments[0] == hooks.SUPEREXEC_PROGRAM:
            return server.start(arguments, {}, quiet=False)
    except (RuntimeError, OSError) as error:
        hooks.tell(f"{COLD}: {error}")
    finally:
        server.close()
    return subprocess.Popen(arguments, **named)


def _run(task: warm_server.Task, limit: Callable[[Starter], None]) -> object:
    """In a process that a SuperNode's fork server has forked: be the SuperExec or an app process."""
    if task.server is not None:
        limit(Starter(ForkServer(task.server, os.getppid())))
        _note("fast")
    return task.run()
