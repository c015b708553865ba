"""A working folder for each run: added to Flower's app processes (sitecustomize.py).

Flower starts `flwr-serverapp` and `flwr-clientapp` in the folder of whatever started them, so that the apps
of all runs share it (flwr 1.41: SubprocessExecutor passes no `cwd`). With this file such a process
goes into FOLDER/RUN before the app is loaded, FOLDER being the variable FLOWERBED_RUN_FOLDERS. All
ClientApp processes of a run at one node share one folder, round after round.

What a ServerApp leaves in its folder is given out through the run's log at its end, as the lines that
artifacts.py reads; with FLOWERBED_RUN_FILES=keep it is not. What a ClientApp leaves stays at the node.
A folder of which everything was given out goes with its process; others stay, the newest KEPT at most, and
together at most FLOWERBED_RUN_FOLDERS_MB megabytes (default: 1,000).
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import io
import itertools
import json
import os
import re
import shutil
import stat
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

from . import app_stop, hooks

FOLDERS, FILES, MEGABYTES = "FLOWERBED_RUN_FOLDERS", "FLOWERBED_RUN_FILES", "FLOWERBED_RUN_FOLDERS_MB"
SERVERAPP = "flwr-serverapp"
FILES_IN_FAB = ".flowerbed/files/"  # what a run that continues from another one brings (resume.py)
# Marks where a ClientApp's lines begin in the log of its node, which all runs share.
BEGINS = re.compile(r"flowerbed: a ClientApp of run (\d{1,20}) begins")
KEPT = 20
# Of a run, all files together, as artifacts.py takes them: in bytes, and in number.
SIZE_LIMIT, COUNT_LIMIT = 8 * 1024 * 1024, 100
LISTED_LIMIT = 50  # files that are named without being given
DEEPEST, MOST = 8, 100_000
PART = 32 * 1024
AHEAD = 64  # lines that wait for the uploader at once, some 3 MB
PATIENCE = 10.0  # seconds without progress of the uploader, which ends when a run is stopped (flwr 1.41)
PLACE = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,99}/){0,7}[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


def start(program: str) -> None:
    """Make an app process of Flower use a folder for its run. `program` is a key of hooks.APPS."""
    if os.environ.get(FOLDERS):
        without = "no working directory for this run alone"
        hooks.once_begun(program, partial(enter, program), without=without)


def enter(program: str, log_queue: Queue[str | None] | None = None, **_: Any) -> None:  # noqa: ANN401
    """Go into the run's folder. Where that cannot be, the process says so and stays where it is.

    Its named arguments are those of Flower.
    """
    from flwr.supercore.exit import add_exit_handler
    from flwr.supercore.task_identity import TaskIdentity

    root, run = Path(os.environ[FOLDERS]), str(TaskIdentity.run_id)
    try:
        if not (root / run).exists():
            tidy(root)
        folder, held = taken(root, run)
        os.chdir(folder)
    except (OSError, ValueError) as error:
        hooks.tell(f"no working directory for this run alone: {error}")
        return
    if program != SERVERAPP:
        hooks.tell(f"a ClientApp of run {run} begins")
        return
    without = "no files of an earlier run"
    app = hooks.module(hooks.APPS[program], hooks.INSTALL, without=without)
    if app is not None:
        hooks.replace(app, hooks.INSTALL, _bringing)
    if log_queue is not None and os.environ.get(FILES) != "keep":
        add_exit_handler(lambda: _give(folder, held, log_queue), run_before_force_exit=True)


def _bringing(original: hooks.Function) -> hooks.Function:
    """Return Flower's function that installs a FAB, which then puts the files in it here as well."""

    def install(fab: bytes, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401  (whatever Flower passes on)
        installed = original(fab, *arguments, **named)  # its contents have been checked then
        try:
            bring(fab, Path())
        except (OSError, ValueError) as error:
            hooks.tell(f"files of the earlier run are missing: {error}")
        return installed

    return install


def bring(fab: bytes, folder: Path) -> None:
    """Write the files that a FAB brings from an earlier run.

    Raises OSError, and ValueError for what `resume.py` does not make.
    """
    with zipfile.ZipFile(io.BytesIO(fab)) as archive:
        entries = [entry for entry in archive.infolist() if entry.filename.startswith(FILES_IN_FAB)]
        if sum(entry.file_size for entry in entries) > SIZE_LIMIT:
            raise ValueError(f"they have more than {SIZE_LIMIT:,} bytes")
        for entry in entries:
            place = entry.filename.removeprefix(FILES_IN_FAB)
            if not PLACE.fullmatch(place):
                raise ValueError(f"{ascii(place)[:200]} is not a plain file name")
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(archive.read(entry))


def taken(root: Path, run: str) -> tuple[Path, int]:
    """Return the folder of a run, made if need be, with the descriptor that holds it while this process runs.

    Raises OSError.
    """
    folder = root / run
    while True:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        fcntl.flock(held, fcntl.LOCK_SH)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(held), folder.stat(follow_symlinks=False)):
                os.utime(held)
                return folder, held
        os.close(held)  # it was removed in between


def tidy(root: Path) -> None:
    """Remove folders that no process holds, the oldest first, until they are few and small enough.

    Raises OSError, and ValueError where the variable with the limit is not a number.
    """
    limit, size = int(os.environ.get(MEGABYTES, "1000")) * 1_000_000, 0
    try:
        folders = [entry for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return
    with contextlib.suppress(FileNotFoundError):  # another process removes it meanwhile
        folders.sort(key=lambda entry: entry.stat(follow_symlinks=False).st_mtime, reverse=True)
    for number, entry in enumerate(folders):
        size += sum(file.stat(follow_symlinks=False).st_size for _, file in regular(Path(entry.path)))
        if number >= KEPT or size > limit:
            # An app may have left directories deeper than Python goes.
            with contextlib.suppress(OSError, RecursionError):
                _remove(Path(entry.path), os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW))


def _remove(folder: Path, held: int) -> None:
    """Remove a folder unless another process holds it. Raises OSError, and closes the descriptor."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(held)


def regular(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield the regular files below a folder with their places in it, by name; no link is followed.

    What begins with a dot is passed over, and so are `__pycache__`, what is below more than DEEPEST
    directories, and all beyond MOST files: an app that was a stranger's may have written there.
    """
    return itertools.islice(_below(folder, DEEPEST), MOST)


def _below(folder: Path, depth: int) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name == "__pycache__":
            continue
        if entry.is_dir(follow_symlinks=False):
            if depth:
                inner = _below(Path(entry.path), depth - 1)
                yield from ((f"{entry.name}/{place}", file) for place, file in inner)
        elif entry.is_file(follow_symlinks=False):
            yield entry.name, entry


def lines(folder: Path) -> Iterator[str]:
    """Yield what goes into the log: for each file its parts, or its size and why it is not there.

    Those in the folder itself come before those in directories of it.
    """
    left, given, unlisted = SIZE_LIMIT, 0, 0
    left_out = 0
    for name, entry in sorted(regular(folder), key=lambda found: (found[0].count("/"), found[0])):
        place, size, problem = name, 0, ""
        try:
            size = entry.stat(follow_symlinks=False).st_size
            if not PLACE.fullmatch(name):
                place, problem = ascii(name)[1:-1][:200], "its name is not a plain file name"
            elif size > left or given >= COUNT_LIMIT:
                problem = f"more than {SIZE_LIMIT:,} bytes or {COUNT_LIMIT} files in one run"
            else:
                data = _read(Path(entry.path), left)
                left, given = left - len(data), given + 1
                yield from _parts(place, data)
                continue
        except OSError as error:
            problem = f"it cannot be read: {error.strerror}"
        left_out += 1
        if left_out > LISTED_LIMIT:
            unlisted += size
        else:
            yield _line({"name": place, "size": size, "problem": problem})
    if left_out > LISTED_LIMIT:
        more = f"{left_out - LISTED_LIMIT} more files"
        yield _line({"name": more, "size": unlisted, "problem": "they are not in the log either"})


def _read(file: Path, limit: int) -> bytes:
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise OSError(0, "it is not a regular file")
        data = opened.read(limit + 1)
    if len(data) > limit:
        raise OSError(0, "it grew while it was read")
    return data


def _parts(place: str, data: bytes) -> Iterator[str]:
    sha256, parts = hashlib.sha256(data).hexdigest(), max(1, -(-len(data) // PART))
    for part in range(parts):
        piece = base64.b64encode(data[part * PART : (part + 1) * PART]).decode()
        yield _line({"name": place, "sha256": sha256, "part": part + 1, "parts": parts, "data": piece})


def _line(told: dict[str, Any]) -> str:
    return f"artifact {json.dumps(told)}\n"


def _give(folder: Path, held: int, log: Queue[str | None]) -> None:
    """Put the files into the log, as fast as it is uploaded; remove the folder if all of them are there."""
    if app_stop.ended.is_set():
        return  # nobody takes the log of a run that was stopped
    whole = True
    limit = time.monotonic() + PATIENCE
    for line in lines(folder):
        whole = whole and '"problem": ' not in line.partition('"data": ')[0]
        while log.qsize() > AHEAD:
            if time.monotonic() > limit:
                hooks.tell("files of the run are missing in its log: the SuperLink does not take it")
                return
            time.sleep(0.05)
        limit = time.monotonic() + PATIENCE
        log.put(line)
    while log.qsize() and time.monotonic() < limit:
        time.sleep(0.05)
    os.chdir(folder.parent)
    if whole:
        with contextlib.suppress(OSError, RecursionError):
            _remove(folder, held)
