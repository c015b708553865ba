"""A Flower app before it is sent: packed, listed, and checked without running any of it.

All that is wrong is told at once. An app folder is only read.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .build import LARGEST_FAB, build
from .checks import Reason, checked, component_modules, missing_modules, parsed, table, told
from .fab import FabFile, declaring
from .folder import checked_folder, read_file
from .imports import Files, brought_elsewhere, closure
from .missing_names import gone
from .packing_rules import Rules, environments, files_here, leaving_out, unread_patterns, unwanted
from .reads import Key, files_named, keys_read, packed_and_named, renamed, undeclared
from .requirements import Libraries, absent_modules, fits_python, names, warnings
from .run_config import Scalar, flatten, overrides


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An app that is ready to be sent: the FAB, the sizes of its files by path, and its config's defaults.

    `reads` are the keys of the run config that its code reads by name, declared or not. `warnings` are worth
    knowing, and no reason not to send it.
    """

    title: str
    fab: bytes
    files: dict[str, int]
    defaults: dict[str, Scalar]
    reads: dict[str, Key] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """Return the SHA-256 of the FAB in hexadecimal: what names an app for certain."""
        return hashlib.sha256(self.fab).hexdigest()


def load(path: Path, libraries: Libraries | None = None) -> App:
    """Read an app folder or a .fab file. Raises UsageError with every problem found.

    `libraries` are those of where the app will run (default: a plain Flower image's).
    """
    reason: Reason = _not_there
    if path.is_dir():
        here = files_here(path)
        config = checked_folder(path, here)
        reason = Rules(path, config).reason
        fab = _pack(path, here)
        opened = _opened(path, fab)
    elif path.is_file():
        fab = _read_fab(path)
        opened = _opened(path, fab)
        here = frozenset(opened.sizes)
        config = checked(path, opened.read)
    else:
        raise UsageError(f"{path}: no such app", "name an app directory, or a .fab file")
    files = Files(packed=opened.sizes, here=here, read=opened.read, reason=reason)
    app = _app(path, fab, config, files, libraries)
    return replace(app, warnings=(*app.warnings, *unread_patterns(path)))


def _not_there(_: Iterable[str]) -> str:
    return "it is not there"


def load_for_run(
    path: Path,
    file: Path | None,
    settings: Iterable[str],
    libraries: Libraries | None = None,
    fix: Callable[[str], None] | None = None,
) -> tuple[App, dict[str, Scalar]]:
    """Read an app as `load` does, and what `--config FILE` and `--set KEY=VALUE` change in its config.

    With `fix` a corrected copy is read, if there is anything to put right; `fix` hears of it. Raises
    UsageError with every problem found in either.
    """
    settings = tuple(settings)
    if not fix or not path.is_dir():
        return _for_run(path, file, settings, libraries)
    from .fix import corrected  # most apps need none of it

    with tempfile.TemporaryDirectory(prefix="flowerbed-fix-") as scratch:
        copy = Path(scratch) / path.resolve().name
        if not (changes := corrected(path, copy)):
            return _for_run(path, file, settings, libraries)
        fix(f"a corrected copy of {path} is used:\n{changes}")
        try:
            return _for_run(copy, file, settings, libraries)
        except UsageError as error:
            raise UsageError(error.what.replace(str(copy), str(path)), error.remedy) from None


def _for_run(
    path: Path, file: Path | None, settings: tuple[str, ...], libraries: Libraries | None
) -> tuple[App, dict[str, Scalar]]:
    try:
        app = load(path, libraries)
    except UsageError as error:
        beyond, remedy = _corrected(path, libraries)
        # Each once: some of what is wrong is wrong in a corrected copy, too.
        lines = dict.fromkeys([*error.what.splitlines(), *beyond, *_wrong_settings(path, file, settings)])
        raise UsageError("\n".join(lines), "\n".join(filter(None, [error.remedy, remedy]))) from None
    changed = overrides(app.defaults, file, settings, {key: read.default for key, read in app.reads.items()})
    more = {key: value for key, value in changed.items() if key not in app.defaults}
    unknown = undeclared(app.reads, app.defaults | changed)
    return replace(
        app,
        # Flower takes no value for a key that the app does not declare.
        fab=declaring(app.fab, more) if more else app.fab,
        warnings=(*app.warnings, *told(unknown)),
    ), changed


def _corrected(path: Path, libraries: Libraries | None) -> tuple[list[str], str]:
    """Return what is wrong with a refused app beyond what `--fix` puts right, and what that would change."""
    if not path.is_dir():
        return [], ""
    from .fix import corrected  # most apps need none of it

    with tempfile.TemporaryDirectory(prefix="flowerbed-fix-") as scratch:
        copy = Path(scratch) / path.resolve().name
        try:
            changes = corrected(path, copy)
            beyond = _problems(copy, path, libraries) if changes else []
        except (UsageError, OSError):  # it cannot be copied
            changes, beyond = corrected(path), []
    if not changes:
        return [], ""
    lines = "\n".join(f"    {line}" for line in changes.splitlines())
    does = "puts a part of it right in a copy" if beyond else "uses a corrected copy"
    return beyond, f"--fix {does}, and leaves your files as they are:\n{lines}"


def _problems(copy: Path, path: Path, libraries: Libraries | None) -> list[str]:
    try:
        load(copy, libraries)
    except UsageError as error:
        return error.what.replace(str(copy), str(path)).splitlines()
    return []


def _wrong_settings(path: Path, file: Path | None, settings: tuple[str, ...]) -> Iterator[str]:
    """Yield what is wrong with the settings of an app that is wrong itself, if its defaults can be read."""
    try:
        config = parsed(path, lambda name, limit: read_file(path / name, limit)) if path.is_dir() else {}
    except UsageError:
        return
    if defaults := flatten(table(config, "tool", "flwr", "app", "config"))[0]:
        try:
            overrides(defaults, file, settings)
        except UsageError as error:
            yield error.what


def _app(path: Path, fab: bytes, config: dict[str, Any], files: Files, libraries: Libraries | None) -> App:
    """Return the app of a FAB. Raises UsageError for what its components name or import and is not in it."""
    app, project = table(config, "tool", "flwr", "app"), config["project"]
    elsewhere = brought_elsewhere(names(project.get("dependencies")))
    found = closure(files, component_modules(config), elsewhere, same_python=fits_python(project))
    if problems := [*missing_modules(config, files.packed, files.reason), *found.problems]:
        raise UsageError("\n".join(f"{path}: {problem}" for problem in told(problems)))
    notes = (
        found.warnings,
        gone(found.of_flower),
        absent_modules(found.outside, project.get("dependencies"), libraries),
        renamed(found.modules),
        files_named(found.modules, files),
    )
    return App(
        title=f"{app['publisher']}/{project['name']} {project['version']}",
        fab=fab,
        files=dict(files.packed),
        defaults=flatten(table(app, "config"))[0],
        reads=keys_read(found.modules),
        warnings=(
            *warnings(project.get("dependencies"), libraries, project.get("requires-python")),
            *told(note for several in notes for note in several),
            *told(unwanted(files.packed, files.here, packed_and_named(found.modules, files))),
        ),
    )


def _pack(folder: Path, here: frozenset[str]) -> bytes:
    try:
        return build(folder)
    except ValueError as error:
        found = environments(here)
        remedy = f"{found[0]}/ is a Python environment: {leaving_out(found[0])}" if found else ""
        raise UsageError(f"{folder}: Flower cannot pack it: {error}", remedy) from None


def _opened(path: Path, fab: bytes) -> FabFile:
    try:
        return FabFile(fab)
    except UsageError as error:
        raise UsageError(
            "\n".join(f"{path}: {line}" for line in error.what.splitlines()), error.remedy
        ) from None


def _read_fab(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > LARGEST_FAB:
            raise UsageError(f"{file}: {size:,} bytes; Flower takes FABs of up to {LARGEST_FAB:,} bytes")
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
