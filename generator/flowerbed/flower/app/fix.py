"""A corrected copy of an app: `--fix`.

What is put right is what Flower refuses, the two layouts that it cannot import from, and imports of what has
moved in Flower. The user's files are only read; every change is shown.
"""

from __future__ import annotations

import ast
import copy
import difflib
import functools
import re
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..text import plain
from .checks import (
    LARGEST_MODULE,
    LARGEST_PYPROJECT,
    NAME,
    PYPROJECT,
    bounded_toml,
    component_modules,
    is_publisher,
    is_version,
    module_files,
    table,
)
from .fab import KINDS, OTHERS
from .folder import read_file
from .imports import FLOWER, MOST_SOURCE
from .missing_names import homes
from .packing_rules import GITIGNORE, files_here
from .requirements import for_federation
from .syntax import CompileError, compiled

MOST_COPIED = 64 * 1024 * 1024  # bytes
MOST_LINES = 60  # of what is shown
# The list as it stands: its strings may hold brackets.
_DEPENDENCIES = re.compile(r"""(?m)^dependencies\s*=\s*\[(?:[^\]"'#]|"[^"\n]*"|'[^'\n]*'|#[^\n]*\n)*\]""")
Move = Callable[[str], str]
VERSION, PUBLISHER = "1.0.0", "local"


def corrected(folder: Path, target: Path | None = None) -> str:
    """Return what there is to put right in an app, as text; "" for nothing.

    The corrected copy is written to `target`, a new folder, if one is given.
    """
    try:
        raw = read_file(folder / PYPROJECT, LARGEST_PYPROJECT) or b""
        text = _decoded(raw)
        config = bounded_toml(text)
    except (UsageError, ValueError):
        return ""
    if not table(config, "tool", "flwr", "app"):
        return ""
    here = files_here(folder)
    move, said = _layout(config, here)
    wanted = _wanted(config, folder.resolve().name, move)
    new = _text(text, config, wanted)
    modules = dict(_modules(folder, here))
    if new.encode() == raw and not said and not modules:
        return ""
    if target:
        _copy(folder, target, here, move)
        for file, (_, changed) in modules.items():
            (target / move(file)).write_bytes(changed)
        (target / PYPROJECT).write_bytes(new.encode())
    lines = _difference(PYPROJECT, text, new)
    if text.encode() != raw:
        lines.insert(0, f"{PYPROJECT} is saved as UTF-8 without a byte order mark")
    for file, (before, after) in modules.items():
        lines += _difference(move(file), *(source.decode(errors="replace") for source in (before, after)))
    more = [f"… and {len(lines) - MOST_LINES:,} more lines"] if len(lines) > MOST_LINES else []
    return "\n".join([*said, *(plain(line) for line in lines[:MOST_LINES]), *more])


def _modules(folder: Path, here: frozenset[str]) -> Iterator[tuple[str, tuple[bytes, bytes]]]:
    """Yield the modules whose imports are written anew, by path: as they are, and as they will be."""
    left = MOST_SOURCE
    for file in sorted(here):
        if not file.endswith(".py") or (folder / file).is_symlink():
            continue
        try:
            before = read_file(folder / file, min(left, LARGEST_MODULE)) or b""
        except UsageError:  # it is longer
            continue
        left -= len(before)
        if (after := from_new_homes(before)) != before:
            yield file, (before, after)


def _decoded(raw: bytes) -> str:
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    return raw.decode(encoding)


def _difference(file: str, old: str, new: str) -> list[str]:
    named = (file, f"{file} (corrected)")
    return list(difflib.unified_diff(old.splitlines(), new.splitlines(), *named, lineterm="", n=0))


def _layout(config: dict[str, Any], here: frozenset[str]) -> tuple[Move, list[str]]:
    """Return where each file goes for the components to be found, and that in words."""
    for module in component_modules(config):
        package, _, inner = module.partition(".")
        if here & set(module_files(module)) or not all(part.isidentifier() for part in module.split(".")):
            continue
        if here & {f"src/{file}" for file in module_files(module)}:
            return (lambda file: file.removeprefix("src/")), ["what is in src/ is moved one directory up"]
        if inner and here & set(module_files(inner)):
            said = f"{package}/ is made of the package's files, below {PYPROJECT}"
            return functools.partial(_into, package), [said]
    return (lambda file: file), []


def _into(package: str, file: str) -> str:
    return file if file in {PYPROJECT, GITIGNORE, *OTHERS, "LICENSE.md"} else f"{package}/{file}"


def _wanted(config: dict[str, Any], folder: str, move: Move) -> dict[str, Any]:
    """Return an app's pyproject.toml as Flower takes it."""
    wanted = copy.deepcopy(config)
    project = wanted["project"] = dict(table(wanted, "project"))
    app = wanted["tool"]["flwr"]["app"]
    name, version, publisher = project.get("name"), project.get("version"), app.get("publisher")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        project["name"] = _name(name if isinstance(name, str) else folder)
    if not isinstance(version, str) or not is_version(version):
        project["version"] = VERSION
    if not isinstance(publisher, str) or not is_publisher(publisher):
        app["publisher"] = PUBLISHER
    dependencies = project.get("dependencies")
    if isinstance(dependencies, list) and all(isinstance(item, str) for item in dependencies):
        project["dependencies"] = for_federation(dependencies)
    for key in ("fab-include", "fab-exclude"):
        if isinstance(app.get(key), list):
            app[key] = [move(item) if isinstance(item, str) else item for item in app[key]]
    return wanted


def _name(text: str) -> str:
    sane = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:32].strip("-")
    return sane if NAME.fullmatch(sane) else f"app-{sane}"[:32].strip("-")


def _text(text: str, config: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Return the text with as little of it changed as will do; where that fails, all written anew."""
    import tomli_w  # comes with flwr

    if config == wanted:
        return text
    new = text
    for header, keys in (("project", ("name", "version")), ("tool.flwr.app", ("publisher",))):
        for key in keys:
            before, after = (table(data, *header.split(".")).get(key) for data in (config, wanted))
            if before != after:
                new = _set(new, header, f'{key} = "{after}"')
    olds, news = (_list(table(data, "project").get("dependencies")) for data in (config, wanted))
    if olds != news:
        new = re.sub(
            _DEPENDENCIES, lambda found: f"dependencies = {_as_before(found[0], news)}", new, count=1
        )
    for key in ("fab-include", "fab-exclude"):
        olds, news = (_list(table(data, "tool", "flwr", "app").get(key)) for data in (config, wanted))
        for old, changed in zip(olds, news, strict=True):
            new = new.replace(f'"{old}"', f'"{changed}"', 1)
    try:
        return new if tomllib.loads(new) == wanted else tomli_w.dumps(wanted)
    except ValueError:
        return tomli_w.dumps(wanted)


def _as_before(old: str, items: list[str]) -> str:
    """Return a list of strings on one line, or one line each with the indent that it had."""
    quoted = [f'"{item}"' for item in items]
    if indent := re.search(r"\n([ \t]*)[\"']", old):
        return "".join(["[\n", *(f"{indent[1]}{item},\n" for item in quoted), "]"])
    return f"[{', '.join(quoted)}]"


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _set(text: str, header: str, line: str) -> str:
    """Return the text with a line of a table replaced, or added below its header."""
    start = re.search(rf"(?m)^\[{re.escape(header)}\][^\n]*\n", text)
    if not start:
        return text
    end = re.search(r"(?m)^\[", text[start.end() :])
    stop = start.end() + end.start() if end else len(text)
    body, key = text[start.end() : stop], line.partition(" ")[0]
    changed, count = re.subn(rf"(?m)^{key}\s*=.*$", lambda _: line, body, count=1)
    return text[: start.end()] + (changed if count else f"{line}\n{body}") + text[stop:]


def _copy(folder: Path, target: Path, here: frozenset[str], move: Move) -> None:
    """Copy what Flower may pack. Raises UsageError where that is more than any app has."""
    left = MOST_COPIED
    for file in sorted(here):
        source = folder / file
        if source.is_symlink() or not (file.endswith(KINDS) or file in {*OTHERS, GITIGNORE}):
            continue
        left -= source.stat().st_size
        if left < 0:
            raise UsageError(
                f"{folder}: more than {MOST_COPIED:,} bytes to copy", "leave data out of the app"
            )
        place = target / move(file)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)


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
