"""A Flower app before it is sent: packed, listed, and checked without running any of it.

All that is wrong is told at once. An app folder is only read.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from .flower_checks import checked, missing_modules, parsed, table
    from .flower_config import Scalar, flatten, overrides
    from .flower_connection import Invalid
    from .flower_fab import LARGEST_FAB, build
    from .flower_fab_file import FabFile
    from .flower_requirements import warnings
else:  # lying beside the program that runs
    from flower_checks import checked, missing_modules, parsed, table
    from flower_config import Scalar, flatten, overrides
    from flower_connection import Invalid
    from flower_fab import LARGEST_FAB, build
    from flower_fab_file import FabFile
    from flower_requirements import warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An app that is ready to be sent: the FAB, the sizes of its files by path, and its config's defaults.

    `warnings` are worth knowing, and no reason not to send it.
    """

    title: str
    fab: bytes
    files: dict[str, int]
    defaults: dict[str, Scalar]
    warnings: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """Return the SHA-256 of the FAB in hexadecimal: what names an app for certain."""
        return hashlib.sha256(self.fab).hexdigest()


def load(path: Path, image: Iterable[str] | None = None) -> App:
    """Read an app folder or a .fab file. Raises Invalid with every problem found.

    `image` names the libraries of the images that the app will run in (default: a plain Flower image's).
    """
    if path.is_dir():
        config = checked(path, lambda name, limit: _read_file(path / name, limit))
        fab = _pack(path)
        files = _opened(path, fab).sizes
    elif path.is_file():
        fab = _read_fab(path)
        opened = _opened(path, fab)
        files, config = opened.sizes, checked(path, opened.read)
    else:
        raise Invalid(f"{path}: no such app", "name an app folder, or a .fab file")
    if problems := list(missing_modules(config, files)):
        raise Invalid("\n".join(f"{path}: {problem}" for problem in problems))
    return _app(config, fab, files, image)


def load_for_run(
    path: Path, file: Path | None, settings: Iterable[str], image: Iterable[str] | None = None
) -> tuple[App, dict[str, Scalar]]:
    """Read an app as `load` does, and what `--config FILE` and `--set KEY=VALUE` change in its config.

    Raises Invalid with every problem found in either.
    """
    settings = tuple(settings)
    try:
        app = load(path, image)
    except Invalid as error:
        raise Invalid("\n".join([error.what, *_wrong_settings(path, file, settings)]), error.remedy) from None
    return app, overrides(app.defaults, file, settings)


def _wrong_settings(path: Path, file: Path | None, settings: tuple[str, ...]) -> Iterator[str]:
    """Yield what is wrong with the settings of an app that is wrong itself, if its defaults can be read."""
    try:
        config = parsed(path, lambda name, limit: _read_file(path / name, limit)) if path.is_dir() else {}
    except Invalid:
        return
    if defaults := flatten(table(config, "tool", "flwr", "app", "config"))[0]:
        try:
            overrides(defaults, file, settings)
        except Invalid as error:
            yield error.what


def _app(config: dict[str, Any], fab: bytes, files: dict[str, int], image: Iterable[str] | None) -> App:
    app, project = table(config, "tool", "flwr", "app"), config["project"]
    return App(
        title=f"{app['publisher']}/{project['name']} {project['version']}",
        fab=fab,
        files=files,
        defaults=flatten(table(app, "config"))[0],
        warnings=tuple(warnings(project.get("dependencies"), image)),
    )


def _read_file(file: Path, limit: int) -> bytes | None:
    """Return an ordinary file's content, None where there is none. Raises Invalid."""
    try:
        # Without waiting for whoever would write into a pipe.
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as opened:
            found = os.fstat(opened.fileno())
            if not stat.S_ISREG(found.st_mode):
                return None
            if found.st_size > limit:
                raise Invalid(f"{file.name} is {found.st_size:,} bytes long; at most {limit:,} are read")
            return opened.read(limit)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    except OSError as error:
        if file.is_symlink():
            raise Invalid(
                f"{file.name} is a symbolic link, which Flower does not pack: put the file there"
            ) from None
        raise Invalid(f"{file}: {error.strerror}") from None


def _pack(folder: Path) -> bytes:
    try:
        return build(folder)
    except ValueError as error:
        raise Invalid(f"{folder}: Flower cannot pack it: {error}") from None


def _opened(path: Path, fab: bytes) -> FabFile:
    try:
        return FabFile(fab)
    except Invalid as error:
        raise Invalid(
            "\n".join(f"{path}: {line}" for line in error.what.splitlines()), error.remedy
        ) from None


def _read_fab(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > LARGEST_FAB:
            raise Invalid(f"{file}: {size:,} bytes; Flower takes FABs of up to {LARGEST_FAB:,} bytes")
        return file.read_bytes()
    except OSError as error:
        raise Invalid(f"{file}: {error.strerror}") from None
