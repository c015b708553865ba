"""The imports of the code, read from its text: which module imports which, and when."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from support.paths import CHARTS, PACKAGE


@dataclass(frozen=True, slots=True)
class Module:
    """One file of Python: its dotted name, and the name under which files in its directory import it."""

    name: str
    path: Path

    @property
    def package(self) -> str:
        """The package that relative imports of the module start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


def package_modules() -> list[Module]:
    """Return every module of the package."""
    files = PACKAGE.rglob("*.py")
    inside = {file: file.relative_to(PACKAGE) for file in files if "charts" not in file.parts}
    return [Module(_dotted(relative), file) for file, relative in sorted(inside.items())]


def _dotted(relative: Path) -> str:
    parts = ("flowerbed", *relative.with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def chart_programs() -> list[Module]:
    """Return the charts' own programs, which run in pods on their own."""
    return [
        Module(f"charts.{path.parts[-3]}.{path.stem}", path)
        for path in sorted(CHARTS.glob("*/files/*.py"))
        if path.name != "launch.py"
    ]


def imported(tree: ast.AST, package: str = "") -> Iterator[str]:
    """Yield the dotted name of all that is imported, at the top, inside functions or for types alone.

    `from a import b` gives `a.b`: whether `b` is a module is for the caller to know.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _base(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    above = parents[: len(parents) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def import_graph(modules: Iterable[Module]) -> dict[str, set[str]]:
    """Return, by module, the modules among them that it imports."""
    by_name = {module.name: module for module in modules}
    return {
        name: {found for text in _imports_of(module) if (found := _known(text, by_name))} - {name}
        for name, module in by_name.items()
    }


def _imports_of(module: Module) -> Iterator[str]:
    return imported(ast.parse(module.path.read_text(encoding="utf-8")), module.package)


def _known(text: str, by_name: Mapping[str, Module]) -> str:
    """Return the module that an imported name is, or is in; "" for one of others."""
    while text and text not in by_name:
        text = text.rpartition(".")[0]
    return text


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return each import circle as the path that closes it, shortest first; at most one for each module."""
    found: dict[frozenset[str], list[str]] = {}
    for start in sorted(graph):
        if path := _way_back(graph, start):
            found.setdefault(frozenset(path), path)
    return sorted(found.values(), key=len)


def _way_back(graph: Mapping[str, set[str]], start: str) -> list[str]:
    """Return the shortest path from a module to itself; [] if there is none."""
    paths, seen = [[start]], set()
    while paths:
        path = paths.pop(0)
        for name in sorted(graph.get(path[-1], ())):
            if name == start:
                return [*path, start]
            if name not in seen:
                seen.add(name)
                paths.append([*path, name])
    return []


def distributions(texts: Iterable[str]) -> set[str]:
    """Return the first names of what is imported from outside the standard library."""
    return {text.partition(".")[0] for text in texts} - set(sys.stdlib_module_names)
