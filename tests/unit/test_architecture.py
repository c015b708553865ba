"""The flow goes one way, rooms stay small, and every public thing is documented."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "generator" / "flowerbed"
# The steps of the flow, first to last: a step imports from the steps before it and from its own package only.
LAYERS = [
    "errors",
    "names",
    "files",
    "plan",
    "images",
    "declaration",
    "identities",
    "scripts",
    "connection",
    "values",
    "bundles",
    "runs",
    "local",
    "access",
    "kubernetes",
    "backups",
    "metrics",
    "report",
    "records",
    "client",
    "cli",
]
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent.name != "charts")
FUNCTION_LIMIT = 60
MODULE_LIMIT = 300


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_layers(tree: ast.AST) -> set[str]:
    """Return the first names below `flowerbed` that a module imports, at its top or inside functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "flowerbed":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("flowerbed."):
            found.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("flowerbed.")}
    return found & set(LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    """A module imports only from steps that come before its own."""
    own = layer_of(path)
    if own in {"__init__", "__main__"}:
        return
    assert own in LAYERS, f"{name_of(path)} belongs to no step of the flow: add it to LAYERS"
    imported = imported_layers(ast.parse(path.read_text()))
    later = {layer for layer in imported if LAYERS.index(layer) > LAYERS.index(own)}
    assert not later, f"{name_of(path)} imports from later steps: {sorted(later)}"


def test_the_direction_is_really_read() -> None:
    """The reader of imports sees an import in either form and inside a function."""
    source = (
        "from flowerbed.cli import main\ndef f():\n  import flowerbed.report\n  from flowerbed import plan"
    )
    assert imported_layers(ast.parse(source)) == {"cli", "report", "plan"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_rooms_are_small(path: Path) -> None:
    """Modules stay under 300 lines, functions under 60 lines."""
    text = path.read_text()
    assert len(text.splitlines()) < MODULE_LIMIT
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LIMIT, node.name


def public_definitions(tree: ast.Module) -> list[ast.FunctionDef | ast.ClassDef]:
    return [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_public_things_are_documented(path: Path) -> None:
    """Every module, public class and public function says what it is for."""
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{name_of(path)} has no docstring"
    silent = [node.name for node in public_definitions(tree) if not ast.get_docstring(node)]
    assert not silent, f"{name_of(path)}: no docstring on {silent}"
