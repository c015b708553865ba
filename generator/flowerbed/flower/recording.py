"""A record of a run in a folder, where only Flower is installed: `--record FOLDER` makes FOLDER/RUN/ with

    submission.json     what only the submitter knows: labels, source, run config, environment, command line
    app.fab             the app as Flower packs it, for `flowerbed retry`
    source.diff         how the app's files differ from the commit, for a directory in a git working tree
    log.txt             the run's log, as it comes
    artifacts/          the files that the app gave
    outcome.json        how it ended, last of all

Flowerbed makes its own record of such a folder, when it is asked for the run (docs/reference/records.md).
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import re
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .artifacts import artifacts
from .errors import UsageError
from .json_text import dumps
from .labels import Labels
from .runs import Outcome
from .source.address import bare
from .source.tree import working_tree
from .text import harmless, screened
from .watcher import Watcher

if TYPE_CHECKING:
    from .app.app import App
    from .app.run_config import Scalar
    from .source.request import Source

MOST_PACKAGES = 2000
MOST_ARGUMENTS = 200
_PROJECT = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(?:-.*)?\.(?:dist|egg)-info")
# Names of options and of run config keys whose value may be a secret.
_SECRET = re.compile(
    r"(?i)token|secret|passw|passphrase|pwd|api[-_.]?key|access[-_.]?key|credential|private|signature|bearer"
)
HIDDEN = "***"

SUBMISSION = "submission.json"
FAB = "app.fab"
DIFF = "source.diff"
SOURCE = ("kind", "location", "ref", "commit", "path", "sha256")


@dataclasses.dataclass(frozen=True, slots=True)
class Submission:
    """What only a submitter knows of a run, as data; `diff`: how the files differ from the commit."""

    facts: dict[str, object]
    fab: bytes
    diff: bytes = b""


def submission(
    app: App,
    source: Source,
    overrides: dict[str, Scalar],
    seconds: float,
    labels: Labels,
    command: Sequence[str],
) -> Submission:
    """Return what only a submitter knows; `seconds` is how long packing took."""
    tree = working_tree(Path(source.location, source.path), app.files) if source.kind == "folder" else None
    known: dict[str, object] = {name: getattr(source, name) for name in SOURCE}
    if tree:
        known["commit"] = source.commit or tree.commit
        known["tree"] = {
            **{name: getattr(tree, name) for name in ("branch", "remote", "dirty", "problem")},
            "diff": DIFF if tree.diff else "",
        }
    facts = {
        **dataclasses.asdict(labels),
        "source": known,
        "config": {**app.defaults, **overrides},
        "overrides": overrides,
        "packing_seconds": round(seconds, 3),
        "environment": environment(),
        "command": command_line(command),
    }
    return Submission(facts, app.fab, tree.diff if tree else b"")


class FolderRecord(Watcher):
    """Writes the record; what cannot be written is told to `say`, once, and is never the run's end.

    Raises UsageError where the folder cannot be made or written to.
    """

    def __init__(
        self,
        root: Path,
        say: Callable[[str], None],
        labels: Labels | None = None,
        command: Sequence[str] = (),
    ) -> None:
        self._root, self._say, self._labels, self._command = root, say, labels or Labels(), command
        self._began = time.monotonic()
        self._folder: Path | None = None
        self._log: BinaryIO | None = None
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--record {root}: {error.strerror}") from None
        if not os.access(root, os.W_OK | os.X_OK):
            raise UsageError(f"--record {root}: cannot be written to")

    def started(self, run_id: int, app: App, source: Source, overrides: dict[str, Scalar]) -> None:
        """Begin the record of a run."""
        took = time.monotonic() - self._began
        made = submission(app, source, overrides, took, self._labels, self._command)
        with self._telling():
            self._folder = self._root / str(run_id)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._write(FAB, made.fab)
            if made.diff:
                self._write(DIFF, made.diff)
            self._write(SUBMISSION, _json(made.facts))
            self._log = _opened(self._folder / "log.txt")

    def hear(self, text: str) -> None:
        """Write whole lines of the log."""
        if self._log:
            with self._telling():
                self._log.write(screened(text, colors=True).encode())
                self._log.flush()

    def end(self, outcome: Outcome) -> None:
        """Write the files of the app's log, then the outcome."""
        if self._folder is None or self._log is None:
            return
        with self._telling():
            self._log.close()
            log = (self._folder / "log.txt").read_text(encoding="utf-8", errors="replace")
            for one in artifacts(log):
                if one.data is None:
                    self._say(f"warning: file {one.name!r} of the app: {one.problem}")
                    continue
                place = f"artifacts/{one.name}"
                for parent in reversed(Path(place).parents[:-1]):
                    (self._folder / parent).mkdir(mode=0o700, exist_ok=True)
                self._write(place, one.data)
            self._write("outcome.json", _json(dataclasses.asdict(outcome)))
            self._say(f"record: {self._folder}")

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._say(f"warning: no record of the run: {error.filename or self._root}: {error.strerror}")
            self._folder = self._log = None

    def _write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all, for its owner alone."""
        assert self._folder is not None  # noqa: S101  (whoever calls has made it)
        file = self._folder / name
        part = file.with_name(f".{file.name}.part")
        with _opened(part) as opened:
            opened.write(data)
        part.replace(file)


def _opened(file: Path) -> BinaryIO:
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb")


def _json(value: object) -> bytes:
    return f"{dumps(value, indent=2)}\n".encode()


def environment() -> dict[str, object]:
    """Return versions of Flowerbed, Flower and Python, the platform, the host's name, installed packages.

    `packages` has the version of up to MOST_PACKAGES by PEP 503 name; `packages_left_out` more are installed.
    """
    found = packages(sys.path)
    kept = dict(list(found.items())[:MOST_PACKAGES])
    return {
        "flowerbed": _version("flowerbed"),
        "flower": _version("flwr"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "host": harmless(socket.gethostname()),
        "packages": kept,
        "packages_left_out": len(found) - len(kept),
    }


def packages(folders: Iterable[str]) -> dict[str, str]:
    """Return the versions of what is installed in folders, by PEP 503 name; the first folder counts.

    They are read from the names of the metadata directories (PEP 376, PEP 427).
    """
    found: dict[str, str] = {}
    for folder in folders:
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(folder or ".")):  # noqa: PTH208
                if match := _PROJECT.fullmatch(name):
                    project = re.sub(r"[-_.]+", "-", match["name"]).lower()
                    found.setdefault(harmless(project), harmless(match["version"]))
    return dict(sorted(found.items()))


def command_line(arguments: Sequence[str]) -> list[str]:
    """Return a command line as it may be kept: each argument on one line, cut to 300 characters.

    Addresses lose user, password and query; the value of a key whose name suggests a secret is HIDDEN.
    Paths of token and key files stay.
    """
    kept = [_argument(argument) for argument in arguments[:MOST_ARGUMENTS]]
    hidden = [
        HIDDEN if before.startswith("--") and "=" not in before and _is_secret(before) else one
        for before, one in zip(["", *kept], kept, strict=False)
    ]
    left_out = len(arguments) - MOST_ARGUMENTS
    return hidden + [f"... {left_out} more"] * (left_out > 0)


def _argument(text: str) -> str:
    text = bare(text.replace("\n", " "))
    option, sign, _ = text.partition("=")
    if sign and option.startswith("--") and not _is_secret(option):  # --set=KEY=VALUE
        key, sign, _ = text[len(option) + 1 :].partition("=")
        option = f"{option}={key}"
    else:
        key = option
    return harmless(f"{option}={HIDDEN}" if sign and _is_secret(key) else text)


def _is_secret(key: str) -> bool:
    return bool(_SECRET.search(key)) and not (key.startswith("--") and key.endswith("-file"))


def _version(project: str) -> str:
    try:
        return metadata.version(project)
    except metadata.PackageNotFoundError:
        return ""
