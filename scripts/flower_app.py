"""A Flower app before it is sent: packed, listed, and checked without running any of it.

All that is wrong is told at once. An app folder is only read.
"""

from __future__ import annotations

import ast
import hashlib
import io
import re
import stat
import tomllib
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from .flower_config import Scalar, flatten
    from .flower_connection import Invalid
    from .flower_fab import build
else:  # lying beside the program that runs
    from flower_config import Scalar, flatten
    from flower_connection import Invalid
    from flower_fab import build

PYPROJECT = "pyproject.toml"
CONTENT = ".info/CONTENT"
# What zipfile raises for damaged and for encrypted archives.
NOT_AN_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,
    NotImplementedError,  # a compression that zipfile does not know
    EOFError,
)
LARGEST_FAB = 10 * 1024 * 1024  # flwr 1.41: common/constant.py, FAB_MAX_SIZE
LARGEST_UNPACKED = 64 * 1024 * 1024
# What both PEP 503 and Flower take: Flower forbids `_` and `.`, and more than 32 characters.
NAME = re.compile(r"[A-Za-z]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?")
COMPONENTS = ("serverapp", "clientapp")
# Gives a file's content by its path in the app, None where there is none.
Read = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An app that is ready to be sent: the FAB, the sizes of its files by path, and its config's defaults."""

    title: str
    fab: bytes
    files: dict[str, int]
    defaults: dict[str, Scalar]

    @property
    def hash(self) -> str:
        """Return the SHA-256 of the FAB in hexadecimal: what names an app for certain."""
        return hashlib.sha256(self.fab).hexdigest()


def load(path: Path) -> App:
    """Read an app folder or a .fab file. Raises Invalid with every problem found."""
    if path.is_dir():
        config = _checked(path, lambda name: _read_file(path / name))
        fab = _pack(path)
    elif path.is_file():
        fab, config = _read_fab(path), {}
    else:
        raise Invalid(f"{path}: no such app", "name an app folder, or a .fab file")
    files = _unpack(path, fab)
    config = config or _checked(path, files.get)
    _refuse(path, _missing_modules(config, files))
    app, project = config["tool"]["flwr"]["app"], config["project"]
    return App(
        title=f"{app['publisher']}/{project['name']} {project['version']}",
        fab=fab,
        files={name: len(content) for name, content in files.items() if name != CONTENT},
        defaults=flatten(app.get("config", {}))[0],
    )


def _refuse(path: Path, problems: Iterator[str]) -> None:
    if found := list(problems):
        raise Invalid("\n".join(f"{path}: {problem}" for problem in found))


def _read_file(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    except OSError as error:
        raise Invalid(f"{file}: {error.strerror}") from None


def _pack(folder: Path) -> bytes:
    try:
        return build(folder)
    except ValueError as error:
        raise Invalid(f"{folder}: Flower cannot pack it: {error}") from None


def _read_fab(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > LARGEST_FAB:
            raise Invalid(f"{file}: {size:,} bytes; Flower takes FABs of up to {LARGEST_FAB:,} bytes")
        return file.read_bytes()
    except OSError as error:
        raise Invalid(f"{file}: {error.strerror}") from None


def _unpack(path: Path, fab: bytes) -> dict[str, bytes]:
    """Return a FAB's files by path, as listed and hashed in its own manifest. Raises Invalid."""
    try:
        with zipfile.ZipFile(io.BytesIO(fab)) as archive:
            entries = archive.infolist()
            _refuse(path, _unsafe_entries(entries))
            files = {entry.filename: archive.read(entry) for entry in entries}
    except NOT_AN_ARCHIVE as error:
        raise Invalid(f"{path}: not a FAB: {error}") from None
    listed = "\n".join(
        f"{name},{hashlib.sha256(content).hexdigest()},{len(content) * 8}"
        for name, content in files.items()
        if name != CONTENT
    )
    if sorted(files.get(CONTENT, b"").decode(errors="replace").splitlines()) != sorted(listed.splitlines()):
        raise Invalid(f"{path}: its files are not those that {CONTENT} lists", "build it again: flwr build")
    return files


def _unsafe_entries(entries: list[zipfile.ZipInfo]) -> Iterator[str]:
    names = [entry.filename for entry in entries]
    for entry in entries:
        name = entry.filename
        if name.startswith("/") or "\\" in name or ":" in name or {"", ".", ".."} & set(name.split("/")):
            yield f"entry {name!r} would be written outside the app's folder"
        elif stat.S_ISLNK(entry.external_attr >> 16):
            yield f"entry {name!r} is a symbolic link"
        elif names.count(name) > 1:
            yield f"entry {name!r} is there more than once"
    total = sum(entry.file_size for entry in entries)
    if total > LARGEST_UNPACKED:
        yield f"unpacked it would be {total:,} bytes; at most {LARGEST_UNPACKED:,} are accepted"


def _checked(path: Path, read: Read) -> dict[str, Any]:
    """Return an app's pyproject.toml. Raises Invalid with everything in it that is wrong."""
    raw = read(PYPROJECT)
    if raw is None:
        raise Invalid(f"{path}: no {PYPROJECT} in it", "a Flower app has one: see `flwr new`")
    try:
        config = tomllib.loads(raw.decode("utf-8"))
    except ValueError as error:
        raise Invalid(f"{path / PYPROJECT}: not TOML: {error}") from None
    _refuse(path / PYPROJECT, _wrong_keys(config, read))
    return config


def _wrong_keys(config: dict[str, Any], read: Read) -> Iterator[str]:
    project, app = _table(config, "project"), _table(config, "tool", "flwr", "app")
    name, version, publisher = project.get("name"), project.get("version"), app.get("publisher")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield f"project.name is {_show(name)}: write 1 to 32 letters, digits and hyphens, first a letter"
    if not isinstance(version, str) or not _is_version(version):
        yield f'project.version is {_show(version)}: write a version as PEP 440 has it, such as "1.0.0"'
    if not isinstance(publisher, str) or not _is_publisher(publisher):
        yield f"tool.flwr.app.publisher is {_show(publisher)}: write a name without slashes"
    components = _table(app, "components")
    for component in COMPONENTS if "agentapp" not in components else ("agentapp",):
        reference = components.get(component)
        if problem := _wrong_component(reference, read):
            yield f"tool.flwr.app.components.{component} is {_show(reference)}: {problem}"
    for key in flatten(_table(app, "config"))[1]:
        yield f"tool.flwr.app.config.{key} must be true, false, a number or a string"


def _table(config: dict[str, Any], *keys: str) -> dict[str, Any]:
    for key in keys:
        found = config.get(key)
        config = found if isinstance(found, dict) else {}
    return config


def _show(value: object) -> str:
    return "missing" if value is None else repr(value)


def _is_version(text: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        Version(text)
    except InvalidVersion:
        return False
    return text == text.strip()


def _is_publisher(text: str) -> bool:
    # It becomes the first part of a folder's name where the app is installed.
    sane = text == text.strip() and text.isprintable() and not set("/\\:") & set(text)
    return sane and 0 < len(text) <= 64 and not text.startswith(".")


def _module_files(reference: str) -> tuple[str, str]:
    base = reference.partition(":")[0].replace(".", "/")
    return f"{base}.py", f"{base}/__init__.py"


def _wrong_component(reference: object, read: Read) -> str:
    """Return what is wrong with `module:object`, "" for nothing; the module is parsed, not run."""
    module, _, attribute = reference.partition(":") if isinstance(reference, str) else ("", "", "")
    parts = [*module.split("."), *attribute.split(".")]
    if not isinstance(reference, str) or not all(part.isidentifier() for part in parts):
        return "write MODULE:OBJECT"
    files = _module_files(reference)
    source = next((content for content in map(read, files) if content is not None), None)
    if source is None:
        return f"there is no {files[0]} and no {files[1]}"
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source)
    except SyntaxError as error:
        return f"line {error.lineno} of its module does not parse: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"its module does not parse: {error}"
    name = attribute.partition(".")[0]
    return "" if {name, "*", "__getattr__"} & set(_defined(tree)) else f"its module defines no {name}"


def _defined(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module has once imported, as far as its text says."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif not isinstance(node, ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def _missing_modules(config: dict[str, Any], files: dict[str, bytes]) -> Iterator[str]:
    for component, reference in _table(config, "tool", "flwr", "app", "components").items():
        candidates = _module_files(str(reference))
        if not set(candidates) & set(files):
            yield (
                f"{candidates[0]}, which {component} names, does not get into the FAB: is it a symbolic "
                "link, in .gitignore or fab-exclude, or named like a test?"
            )
