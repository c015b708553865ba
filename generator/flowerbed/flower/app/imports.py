"""What an app imports of its own, followed from its components by reading it; nothing is run.

A module that is imported for certain and does not get into the FAB fails every run: that is a problem. What
is imported in a function, under a condition or with a handler of its error may never be: that is a warning.
"""

from __future__ import annotations

import ast
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.machinery import PathFinder
from pathlib import Path

from ..errors import UsageError
from .checks import LARGEST_MODULE
from .syntax import CompileError, Import, Module, compiled, imports

MOST_SOURCE = 4 * 1024 * 1024  # bytes of all modules together; what is beyond is not looked at
COMPILED = (".so", ".pyd")
FLOWER = "flwr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """An app's files by path: those in the FAB, and all that are `here`, links to directories too.

    `read` gives a packed file's content and raises UsageError for a longer one than its limit, `reason` says
    why the first of files that is here does not get into the FAB.
    """

    packed: Mapping[str, int]
    here: frozenset[str]
    read: Callable[[str, int], bytes | None]
    reason: Callable[[Iterable[str]], str]


@dataclass(slots=True)
class Closure:
    """The modules that an app imports of its own, by path, and what is wrong with them.

    `outside` are the top-level names of others that are imported for certain, and where; `of_flower` the
    imports from Flower, each with its module's path.
    """

    modules: dict[str, Module] = field(default_factory=dict)
    outside: dict[str, str] = field(default_factory=dict)
    of_flower: list[tuple[str, Import]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def closure(
    files: Files, components: Iterable[str], elsewhere: Callable[[str], bool], *, same_python: bool = True
) -> Closure:
    """Follow imports from the modules of components that are packed.

    `elsewhere` says of a top-level name whether something else than the app may bring it, `same_python`
    whether this Python is one for the app: what another compiles may be no syntax of this one's.
    """
    reader = _Reader(files, elsewhere, same_python=same_python)
    for name in components:
        reader.follow(name, "pyproject.toml", certain=True)
    reader.run()
    return reader.found


def brought_elsewhere(projects: Iterable[str]) -> Callable[[str], bool]:
    """Return what tells whether Python, a library that is here or a needed project brings a name."""
    named = {project.lower().replace("-", "_").replace(".", "_") for project in projects}
    paths = [entry for entry in sys.path if entry and Path(entry).resolve() != Path.cwd()]

    def brings(name: str) -> bool:
        known = name in sys.stdlib_module_names or name.lower() in named
        return known or PathFinder.find_spec(name, paths) is not None

    return brings


class _Reader:
    def __init__(self, files: Files, elsewhere: Callable[[str], bool], *, same_python: bool) -> None:
        self.found = Closure()
        self._same_python = same_python
        self._files, self._elsewhere = files, elsewhere
        self._left = MOST_SOURCE
        self._waiting: tuple[deque[tuple[str, Import]], ...] = (deque(), deque())  # certain ones come first
        folders = (Path(path).parents for path in files.packed if path.endswith(".py"))
        self._folders = {folder.as_posix() for parents in folders for folder in parents}
        self._names: dict[str, frozenset[str]] = {}  # of the modules that were read
        self._compiled = {file.partition(".")[0]: file for file in files.here if file.endswith(COMPILED)}
        self._told: set[tuple[str, ...]] = set()

    def run(self) -> None:
        """Read everything that is imported from what has been followed."""
        sure, unsure = self._waiting
        while sure or unsure:
            path, item = (sure or unsure).popleft()
            self._import(path, item)

    def follow(self, name: str, where: str, *, certain: bool) -> str | None:
        """Read a module and its packages; return its path, "" for a bare directory, None for none."""
        parts = name.split(".")
        found: str | None = None
        for count in range(1, len(parts) + 1):
            found = self._file("/".join(parts[:count]))
            if found is None:
                self._missing(parts, count, where, certain=certain)
                return None
            if found:
                self._visit(found, certain=certain)
        return found

    def _import(self, path: str, item: Import) -> None:
        where = f"{path}:{item.line}"
        base = item.module
        if not item.level and base.partition(".")[0] == FLOWER:
            self.found.of_flower.append((path, item))
            return
        if item.level:
            package = path.split("/")[:-1]
            if item.level > len(package):
                what = "there is no package around it" if not package else "it leads out of the package"
                self._tell(f"{where}: relative import, but {what}", certain=item.certain)
                return
            base = ".".join([*package[: len(package) - item.level + 1], *([base] if base else [])])
        found = self.follow(base, where, certain=item.certain)
        if found and not found.endswith("/__init__.py"):
            return
        has = self._names.get(found or "", frozenset())
        for name in item.names:
            part = f"{base}.{name}"
            file = part.replace(".", "/")
            defined = bool(has & {name, "*", "__getattr__"})
            if self._file(file) is not None or (not defined and self._left_out(file)):
                self.follow(part, where, certain=item.certain and not defined)

    def _file(self, base: str) -> str | None:
        """Return the file that is imported by a path without suffix; "" for a directory with code alone."""
        for file in (f"{base}/__init__.py", f"{base}.py"):
            if file in self._files.packed:
                return file
        return "" if base in self._folders else None

    def _left_out(self, base: str) -> str:
        """Return the file that would be imported if it were in the FAB; "" for none."""
        here = self._files.here
        if known := next((file for file in (f"{base}/__init__.py", f"{base}.py", base) if file in here), ""):
            return known
        return self._compiled.get(base, "")

    def _missing(self, parts: list[str], count: int, where: str, *, certain: bool) -> None:
        """Tell of a module of the app's own that is not in the FAB; of another's there is nothing to tell."""
        base = "/".join(parts[:count])
        left = self._left_out(base) or self._left_out("/".join(parts))
        if count == 1 and (not left or self._elsewhere(parts[0])):
            if certain:
                self.found.outside.setdefault(parts[0], where)
            return
        name = ".".join(parts if left else parts[:count])
        if left:
            what = f"{left} does not get into the FAB: {self._files.reason([left])}"
        elif self._is_fixed(parts[: count - 1]):
            what = f"there is no {base}.py and no {base}/__init__.py"
        else:
            return
        self._tell(f"{where}: imports {name}, but {what}", certain=certain, key=(where, what))

    def _is_fixed(self, packages: list[str]) -> bool:
        """Return whether these are packages in which nothing else is looked for than what lies in them."""
        files = ["/".join([*packages[:count], "__init__.py"]) for count in range(1, len(packages) + 1)]
        return all(file in self._names and not self._names[file] & {"__path__", "modules"} for file in files)

    def _visit(self, path: str, *, certain: bool) -> None:
        if path in self.found.modules:
            return
        try:
            source = self._files.read(path, min(LARGEST_MODULE, self._left)) or b""
        except UsageError:
            return  # larger than any that is looked at
        self._left -= len(source)
        try:
            module = self.found.modules[path] = compiled(source)
        except CompileError as error:
            line = f":{error.line}" if error.line else ""
            self.found.modules[path] = Module(ast.Module([], []))
            certain = certain and self._same_python
            self._tell(f"{path}{line}: Python does not compile it: {error}", certain=certain)
            return
        self._names[path] = frozenset(_mentioned(module))
        for item in imports(module):
            self._waiting[0 if certain and item.certain else 1].append((path, _as(item, certain=certain)))

    def _tell(self, text: str, *, certain: bool, key: tuple[str, ...] = ()) -> None:
        key = key or (text,)
        if key not in self._told:
            self._told.add(key)
            (self.found.problems if certain else self.found.warnings).append(text)


def _as(item: Import, *, certain: bool) -> Import:
    return replace(item, certain=item.certain and certain)


def _mentioned(module: Module) -> Iterator[str]:
    """Yield the names that a module's text has, in whatever role but as a string."""
    for node in module.nodes:
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.alias(name=name, asname=asname):
                yield asname or name
