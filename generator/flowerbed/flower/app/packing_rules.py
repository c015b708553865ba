"""Which files of an app's directory do not get into its FAB, and by which rule of Flower's (flwr 1.41).

And which do, though nobody wants them there: Python environments, caches, megabytes of data.
"""

from __future__ import annotations

import codecs
import os
import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..text_files import SAVE
from .checks import table
from .fab import KINDS
from .folder import read_file

# flwr 1.41: common/constant.py, FAB_EXCLUDE_PATTERNS.
BUILT_IN = (
    ".flwr/**",
    "**/__pycache__/**",
    "pyproject.toml",
    "**/*_test.py",
    "**/test_*.py",
    "build/**",
    "eggs/**",
    ".eggs/**",
    "lib/**",
    "lib64/**",
    "parts/**",
    "*.egg",
    ".venv/**",
    "env/**",
    "venv/**",
    "ENV/**",
    "env.bak/**",
    "venv.bak/**",
)
MOST_FILES = 50_000  # that are looked at; of an app's directory with more, the rest is not known
CACHES = frozenset(
    {".ipynb_checkpoints", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache", ".tox", "node_modules"}
    | {"mlruns", "site-packages", "wandb"}
)
LARGE = 1024 * 1024  # bytes of data in one directory
ENVIRONMENT = "pyvenv.cfg"  # lies in every environment of venv, virtualenv and uv
GITIGNORE = ".gitignore"


def files_here(folder: Path) -> frozenset[str]:
    """Return the files of an app's directory by path, and its symbolic links, which lead nowhere.

    What lies in environments and in git's own directory is left out, but for the proof that it is one.
    """
    found: set[str] = set()
    waiting = [folder]
    while waiting and len(found) < MOST_FILES:
        try:
            with os.scandir(waiting.pop()) as scan:
                entries = list(scan)
        except OSError:
            continue
        if any(entry.name == ENVIRONMENT for entry in entries):
            entries = [entry for entry in entries if entry.name == ENVIRONMENT]
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting += [] if entry.name in {".git", "__pycache__"} else [Path(entry.path)]
            elif entry.is_symlink() or entry.is_file():
                found.add(Path(entry.path).relative_to(folder).as_posix())
    return frozenset(found)


class Rules:
    """The rules by which Flower packs an app's directory, to be asked for a file that it leaves out."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self._folder = folder
        self._app = table(config, "tool", "flwr", "app")

    def reason(self, files: Iterable[str]) -> str:
        """Return the rule that leaves the first of the files out that is here, and what to do."""
        file = next((name for name in files if os.path.lexists(self._folder / name)), "")
        if (self._folder / file).is_symlink():
            return "it is a symbolic link, which Flower does not pack; put the file there"
        if not file.endswith(KINDS):
            return f"Flower packs no such files, only {', '.join(KINDS)}; let the code get it from elsewhere"
        for number, pattern in self._ignored():
            if _matches(pattern, file):
                return f"line {number} of {GITIGNORE} has {pattern!r}; take it out, or add {'!/' + file!r}"
        for pattern in _strings(self._app.get("fab-exclude")):
            if _matches(pattern, file):
                return f"fab-exclude in pyproject.toml has {pattern!r}"
        for pattern in BUILT_IN:
            if _matches(pattern, file):
                return f"Flower leaves out {pattern!r}; rename or move it"
        return "fab-include in pyproject.toml does not name it"

    def _ignored(self) -> Iterator[tuple[int, str]]:
        try:
            lines = _gitignore(self._folder).decode("utf-8").splitlines()
        except UnicodeDecodeError:  # Flower reads none then
            return
        for number, line in reversed(list(enumerate(lines, 1))):
            if (pattern := line.strip()) and not pattern.startswith(("#", "!")):
                yield number, pattern


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _matches(pattern: str, file: str) -> bool:
    import pathspec  # comes with flwr

    try:
        with warnings.catch_warnings(action="ignore"):
            return pathspec.PathSpec.from_lines("gitwildmatch", [pattern]).match_file(file)
    except ValueError:
        return False


def _gitignore(folder: Path) -> bytes:
    try:
        return read_file(folder / GITIGNORE, LARGE) or b""
    except UsageError:  # a link, which Flower does not follow, or larger than any
        return b""


def unread_patterns(folder: Path) -> Iterator[str]:
    """Yield what keeps Flower from reading an app's .gitignore: it passes over it without a word."""
    raw = _gitignore(folder)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        yield f"{GITIGNORE} is not UTF-8, so Flower ignores it and packs what it names: {SAVE}"
        return
    if raw.startswith(codecs.BOM_UTF8):
        yield f"{GITIGNORE} begins with a byte order mark, so its first line has no effect: {SAVE}"


def unwanted(
    packed: Mapping[str, int], here: frozenset[str], named: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Yield which directories in a FAB are environments, caches or data, and what leaves them out.

    Data in directories with a file that is `named` by the app's code is wanted.
    """
    wanted = {file.rpartition("/")[0] or file for file in named}
    roots = {file.rpartition("/")[0] for file in here if file.rpartition("/")[2] == ENVIRONMENT} - {""}
    sizes: dict[tuple[str, str], list[int]] = defaultdict(list)
    for file, size in packed.items():
        if kind := _unwanted(file, roots):
            sizes[kind].append(size)
        elif not file.endswith(".py") and (place := file.rpartition("/")[0] or file) not in wanted:
            sizes[place, "holds data"].append(size)
    for (place, what), found in sorted(sizes.items()):
        if what != "holds data" or sum(found) >= LARGE:
            name, pattern = (place, place) if place in packed else (f"{place}/", f"{place}/**")
            yield (
                f"{name} {what}; {len(found):,} of its files ({sum(found):,} bytes) are packed: "
                f'add "{pattern}" to fab-exclude in [tool.flwr.app], or {name} to {GITIGNORE}'
            )


def leaving_out(folder: str) -> str:
    """Return what to write for Flower to leave a directory out."""
    return f'add "{folder}/**" to fab-exclude in [tool.flwr.app], or {folder}/ to {GITIGNORE}'


def _unwanted(file: str, roots: set[str]) -> tuple[str, str] | None:
    parts = file.split("/")[:-1]
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    if root := next((folder for folder in above if folder in roots), ""):
        return root, f"is a Python environment ({root}/{ENVIRONMENT})"
    cache = next((folder for folder in above if folder.rpartition("/")[2] in CACHES), "")
    if cache.endswith("/site-packages"):
        # ROOT/lib/python3.11/site-packages, or ROOT/Lib/site-packages on Windows
        root = re.split(r"/lib(?:64)?(?:/|$)", cache, maxsplit=1, flags=re.IGNORECASE)[0]
        return root, f"is a Python environment ({cache})"
    return (cache, "is a cache") if cache else None


def environments(here: frozenset[str]) -> list[str]:
    """Return the directories that are Python environments and that Flower would pack."""
    roots = {file.rpartition("/")[0] for file in here if file.rpartition("/")[2] == ENVIRONMENT} - {""}
    return sorted(root for root in roots if not any(_matches(rule, f"{root}/x.py") for rule in BUILT_IN))
