"""A record of a run in a folder, where only Flower is installed: `--record FOLDER` makes FOLDER/RUN/ with

    submission.json     what only the submitter knows: source, run config, what was overridden, packing time
    log.txt             the run's log, as it comes
    artifacts/          the files that the app gave
    outcome.json        how it ended, last of all

Flowerbed makes its own record of such a folder, when it is asked for the run (docs/records.md).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING or __package__:
    from .flower_app import App
    from .flower_artifacts import artifacts
    from .flower_config import Scalar
    from .flower_connection import Invalid
    from .flower_run import Outcome
    from .flower_source import Source
    from .flower_watch import Watcher
else:  # lying beside the program that runs
    from flower_app import App
    from flower_artifacts import artifacts
    from flower_config import Scalar
    from flower_connection import Invalid
    from flower_run import Outcome
    from flower_source import Source
    from flower_watch import Watcher

SUBMISSION = "submission.json"
SOURCE = ("kind", "location", "ref", "commit", "path", "sha256")


def submission(app: App, source: Source, overrides: dict[str, Scalar], seconds: float) -> dict[str, object]:
    """Return what only a submitter knows of a run, as data; `seconds` is how long packing took."""
    return {
        "source": {name: getattr(source, name) for name in SOURCE},
        "config": {**app.defaults, **overrides},
        "overrides": overrides,
        "packing_seconds": round(seconds, 3),
    }


class FolderRecord(Watcher):
    """Writes the record; what cannot be written is told to `say`, once, and is never the run's end.

    Raises Invalid where the folder cannot be made or written to.
    """

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self._root, self._say = root, say
        self._began = time.monotonic()
        self._folder: Path | None = None
        self._log: BinaryIO | None = None
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Invalid(f"--record {root}: {error.strerror}") from None
        if not os.access(root, os.W_OK | os.X_OK):
            raise Invalid(f"--record {root}: cannot be written to")

    def started(self, run_id: int, app: App, source: Source, overrides: dict[str, Scalar]) -> None:
        """Begin the record of a run."""
        told = submission(app, source, overrides, time.monotonic() - self._began)
        with self._telling():
            self._folder = self._root / str(run_id)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._write(SUBMISSION, _json(told))
            self._log = _opened(self._folder / "log.txt")

    def hear(self, text: str) -> None:
        """Write whole lines of the log."""
        if self._log:
            with self._telling():
                self._log.write(text.encode(errors="replace"))
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
                (self._folder / "artifacts").mkdir(mode=0o700, exist_ok=True)
                self._write(f"artifacts/{one.name}", one.data)
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
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"
