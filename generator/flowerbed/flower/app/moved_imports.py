"""Imports of names that another module of Flower gives in this line: the same text, taken from there."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .checks import LARGEST_MODULE
from .imports import FLOWER
from .missing_names import homes
from .syntax import CompileError, compiled


def from_new_homes(source: bytes) -> bytes:
    """Return a module's text in which every name of Flower that moved is imported from where it is now.

    All else stays, byte for byte; so does an import that shares its line, and a name that is nowhere.
    """
    if f"{FLOWER}.".encode() not in source or len(source) > LARGEST_MODULE:
        return source
    try:
        nodes = compiled(source).nodes
    except CompileError:
        return source
    lines = source.splitlines(keepends=True)
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and _is_of_flower(node)]
    for node in sorted(froms, key=lambda node: -node.lineno):  # from the last, so that places stay true
        first, last = node.lineno - 1, (node.end_lineno or node.lineno)
        before, after = lines[first][: node.col_offset], lines[last - 1][node.end_col_offset :]
        moved = homes(node.module or "", [alias.name for alias in node.names])
        if not moved or before.strip() or after.strip(b" \t\r\n;").partition(b"#")[0]:
            continue
        end = b"\r\n" if lines[last - 1].endswith(b"\r\n") else b"\n"
        lines[first:last] = [before + line.encode() + end for line in _written(node, moved)]
    return b"".join(lines)


def _is_of_flower(node: ast.ImportFrom) -> bool:
    return not node.level and (node.module or "").partition(".")[0] == FLOWER


def _written(node: ast.ImportFrom, moved: dict[str, str]) -> Iterator[str]:
    """Yield the import's lines: one for each module that its names are in now."""
    modules: dict[str, list[str]] = {}
    for alias in node.names:
        text = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
        modules.setdefault(moved.get(alias.name, node.module or ""), []).append(text)
    for module, names in modules.items():
        yield f"from {module} import {', '.join(names)}"
