"""One module of an app, read and compiled; nothing of it is run."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


class CompileError(ValueError):
    """A module that this Python does not compile: `line` of it (0: none in particular), and why as text."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"{why} (Python {sys.version_info.major}.{sys.version_info.minor})")
        self.line = line


@dataclass(frozen=True, slots=True)
class Import:
    """An import of a module: `names` are taken from it (none: the module itself), `level` is its dots.

    `certain`: it is carried out whenever the module is imported, and its failure is the module's.
    `guarded`: it stands in a `try` that goes on without it, or is what that goes on with.
    """

    line: int
    level: int
    module: str
    names: tuple[str, ...]
    certain: bool
    guarded: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """A module's tree, and every node in it. Walking is slow, so it is done once."""

    tree: ast.Module
    nodes: tuple[ast.AST, ...] = ()


def compiled(source: bytes) -> Module:
    """Return a module as it is written. Raises CompileError, also for what only compiling finds."""
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source)
            compile(source, "app", "exec", dont_inherit=True)
    except SyntaxError as error:
        raise CompileError(error.lineno or 0, error.msg) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise CompileError(0, str(error)) from None
    return Module(tree, tuple(ast.walk(tree)))


def imports(module: Module) -> Iterator[Import]:
    """Yield every import of a module, those of a type checker and of a script's own start left out."""
    guarded = {
        part
        for node in module.nodes
        if isinstance(node, ast.Try) and any(catches(one.type, IMPORT_ERRORS) for one in node.handlers)
        for statement in [*node.body, *node.handlers]
        for part in ast.walk(statement)
        if isinstance(part, ast.Import | ast.ImportFrom)
    }
    for node, certain in statements(module.tree, IMPORT_ERRORS):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, 0, alias.name, (), certain, node in guarded)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import(node.lineno, node.level, node.module or "", names, certain, node in guarded)


def statements(tree: ast.Module, errors: frozenset[str]) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every node of a module, and whether it is run whenever the module is imported.

    What is below a handler of one of `errors`, in a function or under a condition is not.
    """
    waiting: list[tuple[ast.AST, bool]] = [(tree, True)]
    while waiting:
        node, certain = waiting.pop()
        yield node, certain
        waiting += reversed([(child, certain and kept) for child, kept in _children(node, errors)])


def _children(node: ast.AST, errors: frozenset[str]) -> Iterator[tuple[ast.AST, bool]]:
    match node:
        case ast.If(test=test, body=body, orelse=orelse):
            # What only type checkers, or only a start as a script, carry out is left out.
            skipped = _is_for_others(test)
            yield test, True
            yield from _each([] if skipped else body, certain=False)
            yield from _each(orelse, certain=skipped)
        case ast.Try() | ast.TryStar():
            caught = any(catches(handler.type, errors) for handler in node.handlers)
            yield from _each(node.body, certain=not caught)
            yield from _each([*node.handlers, *node.orelse], certain=False)
            yield from _each(node.finalbody, certain=True)
        case ast.With() | ast.AsyncWith():
            suppressed = any(_suppresses(item) for item in node.items)
            yield from _each(ast.iter_child_nodes(node), certain=not suppressed)
        case (
            ast.FunctionDef()
            | ast.AsyncFunctionDef()
            | ast.Lambda()
            | ast.For()
            | ast.While()
            | ast.Match()
            | ast.IfExp()
            | ast.BoolOp()
        ):
            yield from _each(ast.iter_child_nodes(node), certain=False)
        case _:
            yield from _each(ast.iter_child_nodes(node), certain=True)


def _each(nodes: Iterable[ast.AST], *, certain: bool) -> Iterator[tuple[ast.AST, bool]]:
    return ((node, certain) for node in nodes)


def _is_for_others(test: ast.expr) -> bool:
    match test:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
        case ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()]):
            return True
        case _:
            return False


def _suppresses(item: ast.withitem) -> bool:
    match item.context_expr:
        case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress")):
            return True
        case _:
            return False


def catches(kind: ast.expr | None, errors: frozenset[str]) -> bool:
    """Return whether a handler's type is, or has among others, one of the errors; None is any."""
    if kind is None:
        return True
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    names = {
        item.id if isinstance(item, ast.Name) else item.attr
        for item in kinds
        if isinstance(item, ast.Name | ast.Attribute)
    }
    return bool(names & errors)
