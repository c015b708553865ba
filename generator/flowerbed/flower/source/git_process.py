"""Runs the git program on repositories that anybody may have made: it may reach, know and take little.

git reads no configuration of this machine, speaks only the transport of the repository's own address, and
runs nothing of the repository. Secrets stay in their files: git is told where they lie, and asks for them
only for the repository's own host.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shlex
import signal
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..errors import FlowerbedError, UnreachableError, UsageError
from ..text import plain
from .address import Credentials, Repository, shown

LARGEST_REPOSITORY = 384 * 1024 * 1024  # bytes that git may fetch
MOST_MEMORY = 768 * 1024 * 1024  # bytes for each process of git: a few bytes can be the recipe for gigabytes
LARGEST_ANSWER = 4 * 1024 * 1024  # bytes that git may print
# Asked by git for the credentials of one host; reads them only then. Names and paths stand here, no more.
HELPER = """!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' "$FLOWERBED_GIT_USERNAME" \
"$(cat -- "$FLOWERBED_GIT_TOKEN_FILE")"; }; f"""
KEPT = ("PATH", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "SSH_AUTH_SOCK")
PROXIES = ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "all_proxy", "no_proxy")
DENIED = (
    "Authentication failed",
    "could not read Username",
    "could not read Password",
    "terminal prompts disabled",
    "Permission denied",
    "Host key verification failed",
    "returned error: 401",
    "returned error: 403",
    "dubious ownership",
)
EXHAUSTED = ("out of memory", "Out of memory", "Cannot allocate memory")
MISSING = ("not found", "does not appear to be a git repository", "does not exist", "No such file")


class Git:
    """Runs git beside one bare repository of ours, until a deadline."""

    def __init__(self, repository: Repository, folder: Path, deadline: float) -> None:
        self.repository = repository
        self.folder = folder
        self._deadline = deadline
        self._environment = _environment(repository, folder.parent)

    def run(self, *arguments: str) -> None:
        """Run a command. Raises UsageError, UnreachableError."""
        with self.output(*arguments) as stream:
            stream.read(1)

    def ask(self, *arguments: str, bad_is_empty: bool = False) -> str:
        """Return what a command prints, stripped. Raises UsageError, UnreachableError."""
        try:
            with self.output(*arguments) as stream:
                text = stream.read(LARGEST_ANSWER + 1)
        except UsageError:
            if bad_is_empty:
                return ""
            raise
        if len(text) > LARGEST_ANSWER:
            raise UsageError(f"{self.repository.url}: it has too many names in it")
        return text.decode("utf-8", "replace").strip()

    @contextlib.contextmanager
    def output(self, *arguments: str) -> Iterator[IO[bytes]]:
        """Give what a command prints, while it runs. Raises UsageError, UnreachableError when it fails."""
        errors = self.folder.parent / "errors"
        where = [] if arguments[0] == "init" else [f"--git-dir={self.folder}"]
        with errors.open("wb") as log:
            process = subprocess.Popen(
                ["git", *where, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment,
                cwd=self.folder.parent,
                start_new_session=True,  # so that all that it starts can be ended with it
            )
        if hasattr(resource, "prlimit"):  # Linux; what git starts inherits it
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
        watch = _Watch(process, self.folder.parent, self._deadline)
        try:
            with watch:
                yield _stdout(process)
                _stdout(process).close()
                code = process.wait()
        finally:
            _end(process)
            if watch.error:  # whatever else went wrong comes from it
                kind, what = type(watch.error), f"{self.repository.url}: {watch.error.what}"
                raise kind(what, watch.error.remedy) from None
        if code and code != -signal.SIGPIPE:
            raise self._failure(arguments[0], errors)

    def _failure(self, verb: str, errors: Path) -> UsageError | UnreachableError:
        with errors.open("rb") as file:
            file.seek(max(0, errors.stat().st_size - 4096))
            lines = _plain_lines(file.read().decode("utf-8", "replace"))
        said = "; ".join(lines[-4:]) or f"git {verb} failed"
        what = f"{self.repository.url}: {said}"
        if any(text in said for text in DENIED):
            return UnreachableError(what, _who(self.repository))
        if any(text in said for text in EXHAUSTED):
            return UsageError(what, f"git needs more than {MOST_MEMORY:,} bytes of memory for it")
        if verb in {"fetch", "ls-remote"} and not any(text in said for text in MISSING):
            return UnreachableError(what, "is the address right, and can it be reached from here?")
        return UsageError(what)


class _Watch:
    """Ends a process that takes too long, or fetches too much; `error` then says which."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, deadline: float) -> None:
        self._process, self._folder, self._deadline = process, folder, deadline
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.error: FlowerbedError | None = None

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        over = False
        while not over:
            over = self._over.wait(0.1)  # one look more when it is
            if time.monotonic() > self._deadline:
                self.error = UnreachableError(
                    "it takes too long", "try again; --fetch-timeout gives it more time"
                )
            elif _size(self._folder) > LARGEST_REPOSITORY:
                self.error = UsageError(
                    f"more than {LARGEST_REPOSITORY:,} bytes", "a smaller repository is needed"
                )
            if self.error:
                _end(self._process)
                return


def _stdout(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None  # noqa: S101  (it is a pipe)
    return process.stdout


def _size(folder: Path) -> int:
    """Return the bytes below a folder in which files come and go."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(place, name)).st_size  # noqa: PTH116, PTH118  (ten times a second)
    return total


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()


def _environment(repository: Repository, home: Path) -> dict[str, str]:
    """Return all that git and what it starts get to know: no secret is among it."""
    known = {name: os.environ[name] for name in (*KEPT, *PROXIES) if name in os.environ}
    credentials = repository.credentials
    settings = {
        "core.hooksPath": os.devnull,
        "core.bigFileThreshold": "16m",
        "gc.auto": "0",
        "maintenance.auto": "false",
        "http.lowSpeedLimit": "1",
        "http.lowSpeedTime": "30",
    }
    if credentials.token:
        origin = "://".join(urllib.parse.urlsplit(repository.url)[:2])
        settings[f"credential.{origin}.helper"] = HELPER
        known["FLOWERBED_GIT_TOKEN_FILE"] = str(credentials.token.absolute())
        known["FLOWERBED_GIT_USERNAME"] = credentials.username or "x-access-token"
    if "SSL_CERT_FILE" in known:
        known["GIT_SSL_CAINFO"] = known["SSL_CERT_FILE"]
    for number, (key, value) in enumerate(settings.items()):
        known |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return known | {
        "HOME": str(home),
        "LC_ALL": "C",
        "GIT_ALLOW_PROTOCOL": repository.scheme,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": str(len(settings)),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_SSH_COMMAND": _ssh(credentials),
        "GIT_SSH_VARIANT": "ssh",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _ssh(credentials: Credentials) -> str:
    options = ["BatchMode=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=20", "ServerAliveInterval=15"]
    key, hosts = credentials.ssh_key, credentials.known_hosts
    if hosts:
        options += [f"UserKnownHostsFile={_quoted(hosts)}", "GlobalKnownHostsFile=none"]
    if key:
        options += ["IdentitiesOnly=yes", "IdentityAgent=none", f"IdentityFile={_quoted(key)}"]
    command = ["ssh", *(["-F", "none"] if key else [])]
    for option in options:
        command += ["-o", option]
    return shlex.join(command)


def _quoted(file: Path) -> str:
    """Return a path as ssh_config(5) reads it."""
    return '"' + str(file.absolute()).replace("%", "%%") + '"'


def _who(repository: Repository) -> str:
    if repository.scheme == "ssh":
        return "--ssh-key FILE shows who you are; --known-hosts FILE says which keys the host may have"
    if repository.scheme == "https":
        return "--token-file FILE shows who you are (and --username NAME, where the host wants one)"
    return "the repository belongs to somebody else on this machine: submit a clone of your own"


def _plain_lines(text: str) -> list[str]:
    """Return what git and the server say, each line once, fit for a terminal, without advice."""
    lines = [plain(line.strip()) for line in re.split(r"[\r\n]+", text)]
    # A server may have redirected git to a signed address.
    lines = [re.sub(r"[a-z+]+://[^\s'\"]+", lambda found: shown(found[0]), line) for line in lines]
    lines = [re.sub(r"^(fatal|error|remote|ERROR): ", "", line) for line in lines]
    advice = ("Please make sure", "and the repository exists", "hint:", "To add an exception", "@@@")
    return list(dict.fromkeys(line for line in lines if line and not line.startswith(advice)))
