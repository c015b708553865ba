"""What an app's code names: keys of the run config, files beside it, records that Flower gave up.

Read from its modules; nothing is run. What may never be carried out makes no problem, only a warning.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from .imports import Files
from .run_config import Scalar
from .syntax import Module, catches

Modules = Mapping[str, Module]
RUN_CONFIG = "run_config"
KEY_ERRORS = frozenset({"KeyError", "LookupError", "Exception", "BaseException"})
# Of functions that write to a path: `torch.save`, `np.savez`, `json.dump`, `Path.write_text`, `frame.to_csv`.
WRITING = ("save", "dump", "write", "to_", "touch", "mkdir", "makedirs", "unlink", "remove")
WRITING_MODE = re.compile(r"[rbt]*[wax][rbt+]*")
# Flower 1.41 imports them, and sends none: "Object of type RecordSet is not supported"
# (supercore/inflatable/inflatable_utils.py, inflatable_class_registry).
RENAMED = {
    "RecordSet": "RecordDict",
    "ParametersRecord": "ArrayRecord",
    "MetricsRecord": "MetricRecord",
    "ConfigsRecord": "ConfigRecord",
}


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the run config that code reads, and `where`. `needed`: there is no other way without it.

    `default` is what the code takes without the key, where that is written there.
    """

    where: str
    needed: bool
    default: Scalar | None = None


def keys_read(modules: Modules) -> dict[str, Key]:
    """Return the keys that an app's code reads by name from `context.run_config`."""
    found: dict[str, Key] = {}
    for path, module in modules.items():
        names = _config_names(module)
        for node, certain in _guarded(module):
            for key, needed, default in _key_of(node, names):
                # One look before it, or one reading with a default, and it need not be there.
                known = found.get(key, Key(f"{path}:{getattr(node, 'lineno', 1)}", needed=True))
                taken = known.default if default is None else default
                found[key] = Key(known.where, known.needed and needed and certain, taken)
    return found


def undeclared(keys: Mapping[str, Key], config: Mapping[str, Scalar]) -> Iterator[str]:
    """Yield which needed keys are neither declared nor set: reading them raises KeyError."""
    for key, read in keys.items():
        if read.needed and key not in config:
            inner = next((name for name in config if name.startswith(f"{key}.")), "")
            hint = (
                f'Flower flattens tables: read run_config["{inner}"]'
                if inner
                else f"declare it in [tool.flwr.app.config], or give --set {key}=VALUE"
            )
            yield f"{read.where} reads the run config's {key!r}, which is not declared: {hint}"


def files_named(modules: Modules, files: Files) -> Iterator[str]:
    """Yield which files that code names by a literal path do not get into the FAB, each once."""
    left = sorted(files.here - set(files.packed))
    by_name: dict[str, list[str]] = {}
    for file in left:
        by_name.setdefault(file.rpartition("/")[2], []).append(file)
    written = {text.removeprefix("./") for module in modules.values() for text in _written(module)}
    told: set[str] = set()
    for path, module in modules.items():
        for node in _texts(module):
            text = str(node.value).removeprefix("./")
            if text in written:  # there from an earlier run
                continue
            for file in by_name.get(text.rpartition("/")[2], []):
                if file not in told and _is_named(file, text, path):
                    told.add(file)
                    yield (
                        f"{path}:{node.lineno} names {text}, but {file} does not get into the FAB: "
                        f"{files.reason([file])}"
                    )


def packed_and_named(modules: Modules, files: Files) -> frozenset[str]:
    """Return which files of the FAB code names by a literal path."""
    by_name: dict[str, list[str]] = {}
    for file in files.packed:
        by_name.setdefault(file.rpartition("/")[2], []).append(file)
    texts = (
        (path, str(node.value).removeprefix("./"))
        for path, module in modules.items()
        for node in _texts(module)
    )
    return frozenset(
        file
        for path, text in texts
        for file in by_name.get(text.rpartition("/")[2], [])
        if _is_named(file, text, path)
    )


def renamed(modules: Modules) -> Iterator[str]:
    """Yield which records the code makes that Flower cannot send any more, each once a module."""
    for path, module in modules.items():
        told = set()
        imported = {
            alias.asname or alias.name: alias.name
            for node in module.nodes
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("flwr")
            for alias in node.names
        }
        for node in module.nodes:
            name = _called(node, imported)
            if name in RENAMED and name not in told:
                told.add(name)
                where = f"{path}:{getattr(node, 'lineno', 1)}"
                yield f"{where} makes a {name}, which Flower cannot send in a message: use {RENAMED[name]}"


def _called(node: ast.AST, imported: Mapping[str, str]) -> str:
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return imported.get(name, "")
        case ast.Call(func=ast.Attribute(attr=name)):
            return name
        case _:
            return ""


def _texts(module: Module) -> Iterator[ast.Constant]:
    """Yield the strings of a module that may be a path to a file: one line, with a suffix."""
    for node in module.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if 0 < len(text) < 256 and PurePosixPath(text).suffix and "\n" not in text:
                yield node


def _written(module: Module) -> Iterator[str]:
    """Yield the strings that a module writes to as paths, directly or by a name that it gives to one."""
    names = set()
    for node in module.nodes:
        if isinstance(node, ast.Call) and _writes(node):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name):
                    names.add(inner.id)
                elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    yield inner.value
    for node in module.nodes:
        if not isinstance(node, ast.Assign) or not _is_path(node.value):
            continue
        if any(isinstance(target, ast.Name) and target.id in names for target in node.targets):
            parts = (inner for inner in ast.walk(node.value) if isinstance(inner, ast.Constant))
            yield from (part.value for part in parts if isinstance(part.value, str))


def _writes(call: ast.Call) -> bool:
    name = _last_name(call.func)
    if name == "open":
        modes = [*call.args[:2], *(word.value for word in call.keywords if word.arg == "mode")]
        return any(isinstance(one, ast.Constant) and WRITING_MODE.fullmatch(str(one.value)) for one in modes)
    return name.startswith(WRITING)


def _is_path(value: ast.expr) -> bool:
    """Return whether a value may be a path put together, rather than something that is read from one."""
    if isinstance(value, ast.Call):
        return _last_name(value.func) in {"Path", "PurePath", "join", "joinpath", "str"}
    return isinstance(value, ast.Constant | ast.BinOp | ast.JoinedStr)


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _is_named(file: str, text: str, module: str) -> bool:
    """Return whether a literal path may lead to a file: from the app, the module, or by its last parts."""
    beside = PurePosixPath(module).parent / text
    return file in {text, beside.as_posix()} or file.endswith(f"/{text}")


def _guarded(module: Module) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every node, and whether no handler catches a missing key there."""
    caught = {
        id(inner)
        for node in module.nodes
        if isinstance(node, ast.Try) and any(catches(handler.type, KEY_ERRORS) for handler in node.handlers)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    return ((node, id(node) not in caught) for node in module.nodes)


def _config_names(module: Module) -> set[str]:
    """Return the names that a module gives to the run config alone."""
    stored = Counter(
        node.id for node in module.nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    arguments = {node.arg for node in module.nodes if isinstance(node, ast.arg)}
    given: Counter[str] = Counter()
    for node in module.nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign) and _is_run_config(node.value, set()):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            given.update(target.id for target in targets if isinstance(target, ast.Name))
    names = {name for name, count in given.items() if stored[name] == count and name not in arguments}
    return names | ({RUN_CONFIG} if stored[RUN_CONFIG] == given[RUN_CONFIG] else set())


def _is_run_config(node: ast.AST | None, names: set[str]) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == RUN_CONFIG
    return isinstance(node, ast.Name) and node.id in names


def _key_of(node: ast.AST, names: set[str]) -> Iterator[tuple[str, bool, Scalar | None]]:
    """Yield the key that a node reads by name, whether it is needed, and the default beside it."""
    match node:
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key)), ctx=ast.Load()):
            if _is_run_config(value, names):
                yield key, True, None
        case ast.Compare(
            left=ast.Constant(value=str(key)), ops=[ast.In() | ast.NotIn()], comparators=[value]
        ):
            if _is_run_config(value, names):
                yield key, False, None
        case ast.Call(
            func=ast.Attribute(value=value, attr="get" | "pop" | "setdefault"),
            args=[ast.Constant(value=str(key)), *rest],
        ):
            if _is_run_config(value, names):
                default = rest[0].value if rest and isinstance(rest[0], ast.Constant) else None
                yield key, False, default if isinstance(default, bool | int | float | str) else None
        case _:
            return
