"""What makes an app right: its pyproject.toml, and that the objects it names exist. Nothing of it is run.

All of it is told at once, each with what to write instead.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..text import plain
from ..text_files import BYTE_ORDER_MARK, SAVE, NotUtf8Error, utf8
from .requirements import fits_python, wrong_requirements
from .run_config import flatten
from .syntax import CompileError, compiled

PYPROJECT = "pyproject.toml"
# Parsed, a module takes a thousand times its size in memory. Both are a tenth of that in any app.
LARGEST_MODULE, LARGEST_PYPROJECT = 128 * 1024, 256 * 1024
# tomllib keeps every beginning of a dotted key: 100 kB of `a.a.a` would take 10 GB.
MOST_KEY_PARTS = 8_000_000
DEEPEST_KEY = 32
MOST_TOLD = 20
# What both PEP 503 and Flower take: Flower forbids `_` and `.`, and more than 32 characters.
NAME = re.compile(r"[A-Za-z]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?")
COMPONENTS = ("serverapp", "clientapp")
# Gives a file's content by its path in the app, None where there is none. Raises UsageError for a longer one.
Read = Callable[[str, int], bytes | None]
# Says why the first of the files that is here does not get into the FAB.
Reason = Callable[[Iterable[str]], str]


def checked(path: Path, read: Read, here: Collection[str] = ()) -> dict[str, Any]:
    """Return an app's pyproject.toml. Raises UsageError with everything in it that is wrong.

    Among the files that are `here` the module is looked for that a component may have meant.
    """
    config = parsed(path, read)
    if problems := told(_wrong_keys(config, read, here)):
        raise UsageError("\n".join(f"{path / PYPROJECT}: {problem}" for problem in problems))
    return config


def told(problems: Iterable[str]) -> list[str]:
    """Return problems as they are told: the first ones, and how many more there are."""
    found = list(problems)
    more = len(found) - MOST_TOLD
    return [*found[:MOST_TOLD], *([f"and {more:,} more of these"] if more > 0 else [])]


def parsed(path: Path, read: Read) -> dict[str, Any]:
    """Return an app's pyproject.toml, whatever stands in it. Raises UsageError if it cannot be read."""
    try:
        raw = read(PYPROJECT, LARGEST_PYPROJECT)
    except UsageError as error:
        raise UsageError(f"{path}: {error.what}", error.remedy) from None
    if raw is None:
        raise UsageError(f"{path}: no {PYPROJECT} in it", "a Flower app has one: see `flwr new`")
    place = path / PYPROJECT
    try:
        text = utf8(raw)
        if text.startswith(BYTE_ORDER_MARK):
            raise UsageError(f"{place}: begins with a byte order mark, which Flower does not read", SAVE)
        return bounded_toml(text)
    except NotUtf8Error as error:
        raise UsageError(f"{place}: {error}", SAVE) from None
    except TooDeepError as error:
        raise UsageError(f"{place}: {error}", "make it flatter") from None
    except ValueError as error:
        raise UsageError(f"{place}: not TOML: {_short(str(error))}") from None


class TooDeepError(ValueError):
    """TOML that is nested deeper than any app needs, or whose keys would take all memory."""

    def __init__(self) -> None:
        super().__init__(f"its tables or lists are nested more than {DEEPEST_KEY} deep")


def bounded_toml(text: str) -> dict[str, Any]:
    """Return what anybody's TOML says. Raises TooDeepError, and ValueError for what is no TOML."""
    try:
        config = {} if (deep := _endless_keys(text.encode())) else tomllib.loads(text)
    except RecursionError:
        raise TooDeepError from None
    if deep or _deep(config):
        raise TooDeepError
    return config


def _endless_keys(raw: bytes) -> bool:
    """Return whether keys may have so many parts that reading them takes all memory: dots in the longest
    line, which may be the header of all others, times all dots."""
    dots = [line.count(b".") for line in raw.splitlines()]
    return max(dots, default=0) * sum(dots) > MOST_KEY_PARTS


def _deep(value: Any) -> bool:  # noqa: ANN401  (any part of TOML)
    """Return whether tables and lists are nested deeper than any app needs. Without recursion, for that."""
    level = [value]
    for _ in range(DEEPEST_KEY):
        inner = (item.values() if isinstance(item, dict) else item for item in level)
        level = [part for items in inner for part in items if isinstance(part, dict | list)]
    return bool(level)


def _wrong_keys(config: dict[str, Any], read: Read, here: Collection[str]) -> Iterator[str]:
    project, app = table(config, "project"), table(config, "tool", "flwr", "app")
    name, version, publisher = project.get("name"), project.get("version"), app.get("publisher")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield f"project.name is {_show(name)}: write 1 to 32 letters, digits and hyphens, first a letter"
    if not isinstance(version, str) or not is_version(version):
        yield f'project.version is {_show(version)}: write a version as PEP 440 has it, such as "1.0.0"'
    if not isinstance(publisher, str) or not is_publisher(publisher):
        yield f"tool.flwr.app.publisher is {_show(publisher)}: write a name without slashes"
    yield from wrong_requirements(project.get("dependencies"))
    components = table(app, "components")
    for component in COMPONENTS if "agentapp" not in components else ("agentapp",):
        reference = components.get(component)
        if problem := _wrong_component(reference, read, here, same_python=fits_python(project)):
            yield f"tool.flwr.app.components.{component} is {_show(reference)}: {problem}"
    defaults, wrong = flatten(table(app, "config"))
    for key in wrong:
        yield f"tool.flwr.app.config.{_short(key)} must be true, false, a number or a string"
    for key, value in defaults.items():
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            yield f"tool.flwr.app.config.{_short(key)} must fit in 64 bits"


def table(config: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return a table of tables by its keys; an empty one where there is none."""
    for key in keys:
        found = config.get(key)
        config = found if isinstance(found, dict) else {}
    return config


def _show(value: object) -> str:
    return "missing" if value is None else _short(repr(value))


def _short(text: str) -> str:
    return plain(text) if len(text) <= 200 else f"{plain(text[:200])}…"


def is_version(text: str) -> bool:
    """Return whether an app's version is one that Flower and PEP 440 take."""
    from packaging.version import InvalidVersion, Version

    # It becomes part of a folder's name where the app is installed.
    if not text.isascii() or text != text.strip() or len(text) > 64:
        return False
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def is_publisher(text: str) -> bool:
    """Return whether a publisher is a plain name."""
    # It becomes the first part of a folder's name where the app is installed.
    sane = text == text.strip() and text.isprintable() and not set("/\\:") & set(text)
    return sane and 0 < len(text) <= 64 and not text.startswith(".")


def module_files(reference: str) -> tuple[str, str]:
    """Return the files that a module, or `module:object`, may be, by path in the app."""
    base = reference.partition(":")[0].replace(".", "/")
    return f"{base}.py", f"{base}/__init__.py"


def _wrong_component(reference: object, read: Read, here: Collection[str], *, same_python: bool) -> str:
    """Return what is wrong with `module:object`, "" for nothing; the module is parsed, not run."""
    module, _, attribute = reference.partition(":") if isinstance(reference, str) else ("", "", "")
    parts = [*module.split("."), *attribute.split(".")]
    if (
        not isinstance(reference, str)
        or not all(part.isidentifier() for part in parts)
        or len(reference) > 256
    ):
        return "write MODULE:OBJECT"
    files = module_files(reference)
    try:
        sources = (read(file, LARGEST_MODULE) for file in files)
        source = next((content for content in sources if content is not None), None)
    except UsageError as error:
        return error.what
    if source is None:
        return f"there is no {files[0]} and no {files[1]}{_cause(module, read, here)}"
    try:
        tree = compiled(source).tree
    except CompileError as error:
        if not same_python:
            return ""
        where = f"line {error.line} of its module" if error.line else "its module"
        return f"{where} does not compile: {error}"
    name = attribute.partition(".")[0]
    return "" if {name, "*", "__getattr__"} & set(_defined(tree)) else f"its module defines no {name}"


def _cause(module: str, read: Read, here: Collection[str]) -> str:
    """Return why a module is not found where it lies in another place; "" otherwise."""
    package, _, inner = module.partition(".")
    if any(_is_there(f"src/{file}", read) for file in module_files(module)):
        return f"; modules are under src/, where Flower does not look: move src/{package} beside {PYPROJECT}"
    if inner and any(_is_there(file, read) for file in module_files(inner)):
        return f"; {PYPROJECT} is inside the package {package}: move it one directory up"
    like = [file for file in here if file.rpartition("/")[2] == f"{module.rpartition('.')[2]}.py"]
    meant = like[0].removesuffix(".py").replace("/", ".") if len(like) == 1 else ""
    return f"; is {meant} meant?" if all(part.isidentifier() for part in meant.split(".")) else ""


def _is_there(file: str, read: Read) -> bool:
    try:
        return read(file, 0) is not None
    except UsageError:  # it is longer
        return True


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


def missing_modules(config: dict[str, Any], files: Mapping[str, int], reason: Reason) -> Iterator[str]:
    """Yield which modules that components name are not among a FAB's files, and the `reason` of a file."""
    for component, reference in table(config, "tool", "flwr", "app", "components").items():
        candidates = module_files(str(reference))
        if not set(candidates) & set(files):
            yield (
                f"{candidates[0]}, which {component} names, does not get into the FAB: {reason(candidates)}"
            )


def component_modules(config: dict[str, Any]) -> list[str]:
    """Return the modules that components name, by their dotted names."""
    components = table(config, "tool", "flwr", "app", "components").values()
    return [str(reference).partition(":")[0] for reference in components]
