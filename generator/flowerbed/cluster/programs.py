"""Finds and runs helm and kubectl, and turns their failures into Flowerbed's errors."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO

from flowerbed.errors import FlowerbedError, NotAllowedError, UnreachableError, UsageError

Command = list[str]
# Seconds: a server that answers does so at once; Helm and a diff of all manifests may take a while.
REQUEST_TIMEOUT = 30.0
RELEASE_TIMEOUT = 300.0
# Characters of each stream that are read: some 10,000 pods as JSON. A process that writes more is ended.
OUTPUT_LIMIT = 128 * 1024 * 1024
_UNREACHABLE = re.compile(
    r"unable to connect to the server|cluster unreachable|connection refused|no such host|i/o timeout"
    r"|tls handshake timeout|context deadline exceeded|was refused|no route to host",
    re.IGNORECASE,
)
_NO_CONTEXT = re.compile(
    r'context "?[^"]*"? does not exist|context was not found|no configuration has been', re.IGNORECASE
)
_FORBIDDEN = re.compile(r"forbidden", re.IGNORECASE)
_UNAUTHORIZED = re.compile(r"must be logged in|unauthorized|to provide credentials", re.IGNORECASE)
_LOG_LINE = re.compile(r"[IWE]\d{4} |WARNING|warning:|level=", re.IGNORECASE)
_INSTALL = {
    "helm": "install Helm 3.22 or newer (https://helm.sh/docs/intro/install), or name it in HELM",
    "kubectl": "install kubectl (https://kubernetes.io/docs/tasks/tools), or name it in KUBECTL",
}


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended: exit code, standard output, standard error; and the name of its program."""

    code: int
    out: str
    err: str
    program: str = ""

    @property
    def missing(self) -> bool:
        """Return whether the object does not exist."""
        return self.code != 0 and ("NotFound" in self.err or "not found" in self.err)

    @property
    def forbidden(self) -> bool:
        """Return whether the API server refused it because rights are missing."""
        return self.code != 0 and _FORBIDDEN.search(self.err) is not None


@dataclass(slots=True)
class Programs:
    """Paths of the two programs, and their running processes."""

    helm: str
    kubectl: str
    _running: set[subprocess.Popen[str]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: bool = False

    def run(self, command: Command, *, text: str | None = None, timeout: float = REQUEST_TIMEOUT) -> Done:
        """Run a command to its end, `text` on its standard input.

        One that takes too long, or writes more than OUTPUT_LIMIT, is ended, and its code is 124.
        """
        with self._lock:
            if self._ended:
                raise FlowerbedError("interrupted")
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if text is not None else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
            self._running.add(process)
        try:
            return _result(process, command[0], text, timeout)
        finally:
            with self._lock:
                self._running.discard(process)

    def check_output(
        self, command: Command, *, where: str, text: str | None = None, timeout: float = REQUEST_TIMEOUT
    ) -> str:
        """Run a command and return its output. Raises the error that fits the command's error message."""
        done = self.run(command, text=text, timeout=timeout)
        if done.code:
            raise failure(done, where)
        return done.out

    def end(self) -> None:
        """Start nothing more; interrupt what runs, as by Ctrl-C: Helm then marks its release as failed."""
        with self._lock:
            self._ended = True
            for process in self._running:
                process.send_signal(signal.SIGINT)


def _result(process: subprocess.Popen[str], program: str, text: str | None, timeout: float) -> Done:
    """Return how a process ended, of which no more than OUTPUT_LIMIT is held in memory."""

    def read(stream: IO[str] | None) -> str:
        with stream or io.StringIO() as opened:
            found = opened.read(OUTPUT_LIMIT + 1)
            if len(found) > OUTPUT_LIMIT:
                process.kill()
            return found

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError), process.stdin or io.StringIO() as opened:
            opened.write(text or "")

    with ThreadPoolExecutor(3) as pool:
        pool.submit(feed)
        reading = [pool.submit(read, stream) for stream in (process.stdout, process.stderr)]
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return Done(124, "", f"no answer within {timeout:g} s (i/o timeout)", program)
        except BaseException:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
        out, err = (one.result() for one in reading)
    if max(len(out), len(err)) > OUTPUT_LIMIT:
        return Done(124, "", f"more than {OUTPUT_LIMIT:,} characters of output", program)
    return Done(process.returncode, out, err, program)


def find_programs() -> Programs:
    """Return helm and kubectl, from $HELM and $KUBECTL or the PATH. Raises UsageError if one is missing."""
    return Programs(helm=find_program("helm"), kubectl=find_program("kubectl"))


def find_program(name: str) -> str:
    """Return the path of one program. Raises UsageError with the way to get it."""
    given = os.environ.get(name.upper()) or name
    found = shutil.which(given)
    if not found:
        what = f"{given} (from {name.upper()})" if given != name else name
        raise UsageError(f"{what} is not on the PATH", remedy=_INSTALL[name])
    return given


def failure(done: Done, where: str) -> FlowerbedError:
    """Return the error for a command that failed; `where` names party and cluster."""
    said = error_message(done.err) or f"{done.program} ended with {done.code}"
    if _NO_CONTEXT.search(said):
        remedy = "`kubectl config get-contexts` lists those of your kubeconfig; KUBECONFIG names another"
        return UnreachableError(said, where=where, remedy=remedy)
    if _UNAUTHORIZED.search(said):
        return NotAllowedError(said, where=where, remedy="renew the credentials of this context")
    if _FORBIDDEN.search(said):
        remedy = "ask for the role `admin` in this namespace, or let somebody run the command who has it"
        return NotAllowedError(said, where=where, remedy=remedy)
    if _UNREACHABLE.search(said):
        remedy = (
            "is this the right context, and does its API server answer? `kubectl cluster-info` shows both"
        )
        return UnreachableError(said, where=where, remedy=remedy)
    return FlowerbedError(said, where=where)


def error_message(text: str) -> str:
    """Return a program's error message: its last lines without warnings, in one line."""
    lines = [line.strip() for line in text.splitlines()]
    kept = [line for line in lines if line and not _LOG_LINE.match(line)]
    joined = " ".join(kept[-3:])
    return re.sub(r"^(error: |error from server \(\w+\): )+", "", joined, flags=re.IGNORECASE)[:600]
