"""The git working tree that an app's directory is in: commit, remote, and what differs from the commit.

The repository is not trusted. Its configuration can name programs (fsmonitor, filters, external diffs, text
conversion, hooks), so it is not in force while files are compared: an empty, temporary repository of ours
reads its objects. The repository itself is asked only for names (objects, HEAD, branch, remote). Nothing is
written to it, and time, memory and output are bounded.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..text import printable
from .address import bare
from .git_process import MOST_MEMORY

LARGEST_DIFF = 1024 * 1024  # bytes of it that are kept
SECONDS = 5.0  # for all of it
_LONGEST_LIST = 4 * 1024 * 1024  # bytes of names
_KEPT = ("PATH", "TMPDIR")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingTree:
    """What is known of it: whether the files that are sent differ from the commit (`dirty`, None if unknown).

    `remote` has no credentials. `diff` is the output of `git diff` for the files that are sent and for those
    that were deleted, at most LARGEST_DIFF bytes. `problem` says what is missing, "" if nothing is.
    """

    commit: str = ""
    branch: str = ""
    remote: str = ""
    dirty: bool | None = None
    diff: bytes = field(default=b"", repr=False)
    problem: str = ""


def working_tree(app: Path, files: Collection[str]) -> WorkingTree | None:
    """Return the working tree of an app's directory, None if it is in none; nothing is raised.

    `files` are those that are sent, by their path in the directory.
    """
    try:
        folder = app.resolve()
        top = next((one for one in (folder, *folder.parents) if (one / ".git").exists()), None)
        if top is None:
            return None
        if not shutil.which("git"):
            return WorkingTree(problem="git is not installed here")
        with tempfile.TemporaryDirectory(prefix="flowerbed-tree-", ignore_cleanup_errors=True) as scratch:
            return _look(_Git(top, Path(scratch)), folder.relative_to(top).as_posix(), files)
    except (_TreeError, OSError, RuntimeError, ValueError) as error:  # a loop of links is a RuntimeError
        return WorkingTree(problem=printable(str(error)))


def _look(git: _Git, place: str, files: Collection[str]) -> WorkingTree:
    objects = git.ask("rev-parse", "--git-path", "objects")
    commit = git.ask("rev-parse", "--verify", "--quiet", "HEAD", fails_empty=True)
    if not _COMMIT.fullmatch(commit):
        raise _TreeError("the repository has no commit")
    branch = git.ask("symbolic-ref", "--quiet", "--short", "HEAD", fails_empty=True)
    remote = git.ask("config", "--no-includes", "--get", "remote.origin.url", fails_empty=True)
    # `ext::COMMAND` is a remote as well; a command may hold anything.
    remote = "ext::" if remote.startswith("ext::") else bare(remote)
    known = WorkingTree(commit=commit, branch=printable(branch), remote=printable(remote))
    try:
        git.borrow(git.top / objects, sha256=len(commit) == 64)
        diff, problem = _difference(git, commit, "" if place == "." else place, files)
    except (_TreeError, OSError) as error:
        return replace(known, problem=printable(str(error)))
    return replace(known, dirty=True if diff else None if problem else False, diff=diff, problem=problem)


def _difference(git: _Git, commit: str, place: str, files: Collection[str]) -> tuple[bytes, str]:
    """Return how the files that are sent, and deleted ones, differ from a commit, and what is missing."""
    sent = {os.fsencode(f"{place}/{name}" if place else name) for name in files}
    if not place:
        git.own("read-tree", commit)
    elif git.own("ls-tree", "-d", commit, place):  # else the commit lacks the directory: all in it is new
        git.own("read-tree", f"--prefix={place}/", f"{commit}:{place}")
    staged = [entry.partition(b"\t") for entry in git.own("ls-files", "--stage", "-z").split(b"\0")[:-1]]
    known = {name for _, _, name in staged}
    # git would look into submodules, with their own configuration.
    modules = {name for mode, _, name in staged if mode.startswith(b"160000 ")}
    new = {name for name in sent - known if git.is_plain(name, modules)}
    filtered = _filtered(git, sent)
    apart = filtered | {name for name in sent - known - new if git.exists(name)}
    left_out = {name for name in known if name in modules or (name not in sent and git.exists(name))}
    if left_out | (filtered & known):
        git.own("update-index", "-z", "--force-remove", "--stdin", given=_names(left_out | filtered))
    if new - filtered:
        by_list = ("--pathspec-from-file=-", "--pathspec-file-nul")
        git.own("add", "--force", "--intent-to-add", *by_list, given=_names(new - filtered))
    how = ("--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=all", "--no-renames")
    diff, whole = git.cut("diff", *how, "--src-prefix=a/", "--dst-prefix=b/", limit=LARGEST_DIFF)
    missing = f"the diff has more than {LARGEST_DIFF:,} bytes; the rest is left out" if not whole else ""
    if apart:
        which = printable(os.fsdecode(min(apart)))
        missing = "; ".join(filter(None, (missing, f"{len(apart)} files were not compared, {which} for one")))
    return diff, missing


def _filtered(git: _Git, names: set[bytes]) -> set[bytes]:
    """Return the names that go through a filter (Git LFS, say), a program of the user's that is not run."""
    fields = git.own("check-attr", "-z", "--stdin", "filter", given=_names(names)).split(b"\0")[:-1]
    return {
        name
        for name, value in zip(fields[::3], fields[2::3], strict=True)
        if value not in {b"unspecified", b"unset"}
    }


def _names(names: Collection[bytes]) -> bytes:
    return b"".join(name + b"\0" for name in sorted(names))


class _TreeError(Exception):
    """git cannot answer; the text says why."""


class _Git:
    """Runs git, with an environment of ours, until a deadline."""

    def __init__(self, top: Path, scratch: Path) -> None:
        self.top, self._scratch = top, scratch
        self._deadline = time.monotonic() + SECONDS
        settings = {
            "core.fsmonitor": "false",
            "core.bigFileThreshold": "16m",
            "core.hooksPath": os.devnull,
            "core.pager": "cat",
            "gc.auto": "0",
        }
        numbered: dict[str, str] = {}
        for number, (key, value) in enumerate(settings.items()):
            numbered |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        self._environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | {
            "HOME": str(scratch),
            "LC_ALL": "C",
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": str(len(settings)),
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            **numbered,
        }
        self._own: dict[str, str] = {}

    def ask(self, *arguments: str, fails_empty: bool = False) -> str:
        """Return what the repository itself says. Raises _TreeError."""
        said = self._run(["git", "-C", str(self.top), *arguments], {}, fails_empty=fails_empty)[0]
        return said.decode("utf-8", "replace").strip()

    def borrow(self, objects: Path, *, sha256: bool) -> None:
        """Make a repository of ours that reads the objects of the other one. Raises _TreeError."""
        own = self._scratch / "repository"
        form = ["--object-format=sha256"] if sha256 else []
        self._run(["git", "init", "--quiet", "--bare", "--template=", *form, str(own)], {})
        self._own = {
            "GIT_DIR": str(own),
            "GIT_WORK_TREE": str(self.top),
            "GIT_INDEX_FILE": str(self._scratch / "index"),
        }
        # In the environment several directories would be separated by colons, which a path may have.
        (own / "objects" / "info" / "alternates").write_bytes(os.fsencode(objects.resolve()) + b"\n")

    def own(self, *arguments: str, given: bytes = b"") -> bytes:
        """Return what a command prints in our repository. Raises _TreeError, also if that is too long."""
        said, whole = self.cut(*arguments, given=given)
        if not whole:
            raise _TreeError("the commit has too many files to compare")
        return said

    def cut(self, *arguments: str, given: bytes = b"", limit: int = _LONGEST_LIST) -> tuple[bytes, bool]:
        """Return what a command prints in our repository, and whether that is whole. Raises _TreeError."""
        return self._run(["git", *arguments], self._own, given, limit)

    def exists(self, name: bytes) -> bool:
        """Return whether anything has this path in the working tree."""
        return os.path.lexists(self._path(name))

    def is_plain(self, name: bytes, modules: Collection[bytes]) -> bool:
        """Return whether it is a file that git can add: not behind a link or in another repository."""
        try:
            if not stat.S_ISREG(os.lstat(self._path(name)).st_mode):
                return False
            above = name.rpartition(b"/")[0]
            while above:
                is_link = os.path.islink(self._path(above))  # noqa: PTH114  (bytes)
                if above in modules or is_link or self.exists(above + b"/.git"):
                    return False
                above = above.rpartition(b"/")[0]
        except OSError:
            return False
        return True

    def _path(self, name: bytes) -> bytes:
        return os.path.join(os.fsencode(self.top), name)  # noqa: PTH118  (bytes)

    def _run(
        self,
        command: list[str],
        more: dict[str, str],
        given: bytes = b"",
        limit: int = _LONGEST_LIST,
        *,
        fails_empty: bool = False,
    ) -> tuple[bytes, bool]:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment | more,
            cwd=self.top,
            start_new_session=True,  # so that all that it starts can be ended with it
        )
        if hasattr(resource, "prlimit"):  # Linux; what git starts inherits it
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
        late = threading.Event()

        def stop() -> None:
            late.set()
            _end(process)

        timer = threading.Timer(max(0.0, self._deadline - time.monotonic()), stop)
        timer.start()
        feeder = threading.Thread(target=_feed, args=(process, given), daemon=True)
        feeder.start()
        errors: list[bytes] = []
        reader = threading.Thread(target=lambda: errors.append(_stderr(process)), daemon=True)
        reader.start()
        try:
            assert process.stdout is not None  # noqa: S101  (it is a pipe)
            said = process.stdout.read(limit + 1)
            whole = len(said) <= limit
            if whole:
                process.wait()
        finally:
            timer.cancel()
            _end(process)
            reader.join(1.0)
            feeder.join(1.0)
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
        if late.is_set():
            raise _TreeError(f"git took longer than {SECONDS:g} s")
        if whole and process.returncode and not fails_empty:
            words = b"".join(errors).decode("utf-8", "replace").strip().partition("\n")[0]
            raise _TreeError(printable(words.removeprefix("fatal: ")) or f"git {command[1]} failed")
        if whole and process.returncode:
            return b"", True
        return (said, True) if whole else (said[:limit].rpartition(b"\n")[0] + b"\n", False)


def _feed(process: subprocess.Popen[bytes], given: bytes) -> None:
    assert process.stdin is not None  # noqa: S101  (it is a pipe)
    with contextlib.suppress(OSError, ValueError), process.stdin as stream:
        stream.write(given)


def _stderr(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stderr is not None  # noqa: S101  (it is a pipe)
    with contextlib.suppress(OSError, ValueError):
        kept = process.stderr.read(4096)
        while process.stderr.read(65536):  # a full pipe would stop git
            pass
        return kept
    return b""


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
