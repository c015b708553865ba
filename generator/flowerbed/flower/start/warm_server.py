"""The fork server: a process with one thread that has imported Flower and forks a SuperExec's app processes.

It holds no secret: it is forked before its SuperExec or SuperNode reads one, and each token goes through it
as a pipe that only the app process reads. It runs no code of an app and imports only Flower and what
FLOWERBED_PRELOAD names. It ignores SIGTERM and SIGINT, and ends when its SuperExec has ended, after its app
processes. That of a SuperNode forks the SuperExec first, which then asks it for app processes.

A forked app process is like one that Flower starts: random numbers are seeded anew, signals, name, arguments
and descriptors are as after a start, and it leaves by the same Python code. App processes end with the fork
server, a SuperExec does not.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import random
import selectors
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import apps, hooks

PRELOAD = "FLOWERBED_PRELOAD"  # modules, with commas between them
NAME = "flowerbed-fork-server"  # by which the system lists it
READY = b"ready"
TASKS = Path("/proc/self/task")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15  # linux/prctl.h
ARG_START = 45  # fields of /proc/self/stat after the program's name (proc_pid_stat(5): 48 and 49)
LINGER = 60.0  # seconds that app processes have to end once their SuperExec has
IMPORT_LIMIT = 120.0  # seconds that a library may take to be imported
LONGEST = 65536  # bytes of a request
DESCRIPTORS = 8  # of one request, at most


def check_platform() -> None:
    """Raise RuntimeError where a process cannot be forked as is needed here."""
    if sys.platform != "linux":
        raise RuntimeError("only Linux ends forked processes with the one that forked them")
    if not TASKS.is_dir():
        raise RuntimeError(f"{TASKS.parent.parent} is not mounted")


def _threads() -> int:
    return len(list(TASKS.iterdir()))


def single_threaded() -> None:
    """Raise RuntimeError if this process has more than one thread.

    OpenBLAS, which NumPy brings, starts its threads when it is loaded and ends them for a fork; so it is
    forked once to see which threads stay.
    """
    if _threads() > 1:
        if not (pid := os.fork()):
            os._exit(0)
        os.waitpid(pid, 0)
    if threading.active_count() > 1 or (count := _threads()) > 1:
        names = ", ".join(thread.name for thread in threading.enumerate()[1:]) or f"{count - 1} of a library"
        raise RuntimeError(f"a process with more than one thread cannot be forked ({names})")


def read_line(descriptor: int) -> str:
    """Return a line that is read byte by byte, without its end; empty where the other side has ended."""
    line = b""
    while (byte := os.read(descriptor, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode(errors="replace")


def reseed() -> None:
    """Seed the global random number generators that were imported from the system, as a start would."""
    random.seed()
    if (numpy := sys.modules.get("numpy.random")) is not None:
        numpy.seed()
    if (torch := sys.modules.get("torch")) is not None:
        torch.default_generator.seed()  # that of the CPU; CUDA's begins with the same seed in every process


def preload(names: Sequence[str]) -> None:
    """Import libraries, each first in a process that is thrown away. Says which are left out, and why."""
    for name in names:
        if problem := _trial(name):
            hooks.tell(f"{name} is not preloaded: {problem}")
            continue
        importlib.import_module(name)
    single_threaded()


def _trial(name: str) -> str:
    """Return why a library cannot be imported here, empty if it can."""
    reading, writing = os.pipe()
    if not (pid := os.fork()):
        problem = ""
        try:
            importlib.import_module(name)
            single_threaded()
        except BaseException as error:  # whatever a library raises
            problem = f"{type(error).__name__}: {error}"
        finally:
            os.write(writing, f"{problem or READY.decode()}"[:1000].encode())
            os._exit(0)
    os.close(writing)
    with selectors.DefaultSelector() as selector, os.fdopen(reading, "rb") as answer:
        selector.register(answer, selectors.EVENT_READ)
        problem = "its import ended the process"
        if not selector.select(IMPORT_LIMIT):
            problem = f"its import took more than {IMPORT_LIMIT:.0f} s"
            os.kill(pid, signal.SIGKILL)
        said = answer.read()
    os.waitpid(pid, 0)
    return "" if said == READY else said.decode(errors="replace") or problem


@dataclass
class Task:
    """What a forked process is to run: Flower's program, its arguments and its token's pipe.

    A SuperExec has no token; its `server` is its connection to the fork server.
    """

    arguments: list[str]
    token: int
    server: socket.socket | None = None

    def run(self) -> object:
        """Run the program as its script does. Raises SystemExit, as that does."""
        program = self.arguments[0]
        with os.fdopen(self.token, "rb") as pipe:
            token = pipe.read().decode()
        script = shutil.which(program) or program
        sys.argv = [script, *self.arguments[1:], *([hooks.TOKEN, token] if token else [])]
        sys.orig_argv = [sys.executable, *sys.argv]
        sys.modules["__main__"].__file__ = script
        if program in hooks.APPS:
            apps.add(program)
        return hooks.entry(program)()


class _Server:
    def __init__(self, connection: socket.socket) -> None:
        self._connections = {connection}
        self._reports: dict[int, int] = {}  # by process id
        self._ended_at: float | None = None
        self._woken, self._wakes = os.pipe()
        for descriptor in (self._woken, self._wakes):
            os.set_blocking(descriptor, False)
        self._selector = selectors.DefaultSelector()
        self._handlers = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGCHLD)}
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        self._selector.register(connection, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def tell(self, text: bytes) -> None:
        """Say something to all that ask for processes."""
        for connection in self._connections:
            with contextlib.suppress(OSError):  # it has ended
                connection.send(text)

    def serve(self, *, once: bool = False) -> Task | None:
        """Fork what is asked for: a task in the forked process. With `once` None after the first request."""
        while True:
            ready = [key.fileobj for key, _ in self._selector.select(None if self._ended_at is None else 1.0)]
            if self._woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
            self._reap()
            for connection in self._connections.intersection(ready):
                if (task := self._take(connection)) is not None:
                    return task
                if once:
                    return None
            late = self._ended_at is not None and time.monotonic() - self._ended_at > LINGER
            if self._ended_at is not None and (late or not self._reports):
                os._exit(0)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                report = self._reports.pop(ended[0], None)
                if report is not None:
                    _report(report, str(os.waitstatus_to_exitcode(ended[1])))
                    os.close(report)

    def _take(self, connection: socket.socket) -> Task | None:
        try:
            message, descriptors, _, _ = socket.recv_fds(connection, LONGEST, DESCRIPTORS)
        except OSError:
            message, descriptors = b"", []
        if not message:
            self._selector.unregister(connection)
            self._connections.remove(connection)
            connection.close()
            if not self._connections:
                self._ended_at = time.monotonic()
            return None
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        report, *others = descriptors
        request = json.loads(message)
        asks = request["arguments"][0] == hooks.SUPEREXEC_PROGRAM
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) if asks else (None, None)
        try:
            single_threaded()
            pid = self._fork(ends_with_this=not asks)
        except (RuntimeError, OSError) as error:
            _report(report, str(error))
            os.close(report)
            pid = -1
        if not pid:
            if ours is not None:
                ours.close()
            return self._become(request, report, others, theirs)
        for descriptor in others:
            os.close(descriptor)
        if theirs is not None:
            theirs.close()
        if pid > 0:
            self._reports[pid] = report
            _report(report, str(pid))
            if ours is not None:
                self._connections.add(ours)
                self._selector.register(ours, selectors.EVENT_READ)
        return None

    def _fork(self, *, ends_with_this: bool) -> int:
        """Fork with signals blocked, so that none that is sent to the new process is lost."""
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            if pid := os.fork():
                return pid
            signal.set_wakeup_fd(-1)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            if ends_with_this:
                _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != parent:
                    os._exit(1)
            return 0
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _become(
        self, request: dict[str, object], report: int, others: list[int], server: socket.socket | None
    ) -> Task:
        """In the forked process: leave everything of the fork server, and take on what is asked for."""
        self._selector.close()
        for connection in self._connections:
            connection.close()
        for descriptor in (report, *self._reports.values(), self._woken, self._wakes):
            os.close(descriptor)
        token, *given = others
        arguments, names = request["arguments"], request["names"]
        assert isinstance(arguments, list)  # noqa: S101  (warm.py wrote it)
        assert isinstance(names, list)  # noqa: S101
        os.environ.update({name: str(number) for name, number in zip(names, given, strict=True)})
        if server is None:
            os.environ.pop(PRELOAD, None)
        if request["quiet"]:
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
            os.close(nothing)
        _rename(arguments)
        reseed()
        return Task(arguments, token, server)


def _report(descriptor: int, text: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # the SuperExec has ended
        os.write(descriptor, f"{text}\n".replace("\n", " ", text.count("\n")).encode())


def _prctl(option: int, value: int | bytes) -> None:
    """Call prctl(2). Raises OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _rename(arguments: Sequence[str]) -> None:
    """Have the system list this process by its program and arguments, as far as they fit: never its token."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        _prctl(PR_SET_NAME, arguments[0].encode()[:15])
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[ARG_START]), int(fields[ARG_START + 1])
        line = "\0".join([sys.executable, *arguments]).encode()[: end - start - 1]
        ctypes.memmove(start, line.ljust(end - start, b"\0"), end - start)


def serve(connection: socket.socket, *, superexec_first: bool = False) -> Task:
    """Be the fork server of the process at the other end. Returns in each forked process, with its task.

    With `superexec_first` the first request is for a SuperExec: it is forked before libraries are imported.
    """
    server = _Server(connection)
    _rename([NAME])
    if superexec_first and (task := server.serve(once=True)) is not None:
        return task
    try:
        preload([name for name in os.environ.get(PRELOAD, "").split(",") if name])
        gc.collect()
        gc.freeze()
        single_threaded()
    except (RuntimeError, OSError) as error:
        server.tell(str(error).encode())
        os._exit(0)
    server.tell(READY)
    task = server.serve()
    assert task is not None  # noqa: S101  (asked for without `once`)
    return task
