"""A Flower app made of loose pieces: client and server code, helper modules, a list of requirements.

The pieces become an ordinary app folder with a pyproject.toml; the code is parsed, not run.
"""

from __future__ import annotations

import ast
import contextlib
import keyword
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..app.run_config import flatten, settings_of
from ..app.syntax import CompileError, compiled, imports
from ..errors import UsageError
from ..text_files import read_toml

LARGEST_PIECE = 10 * 1024 * 1024  # bytes of a file; Flower takes FABs of this size (flwr 1.41)
FLOWER = "flwr>=1.41,<1.42"
RESERVED = frozenset({*sys.stdlib_module_names, "flwr", "numpy"})
KINDS = {"client": "ClientApp", "server": "ServerApp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inline:
    """The pieces. `client` and `server` are code (text of several lines), or say where it is:

    FILE, FILE:OBJECT, MODULE:OBJECT or OBJECT, the last two in one of `modules`. Without OBJECT it is the one
    that the code makes by `ClientApp(…)` or `ServerApp(…)`. `modules` are files or package folders.
    """

    client: str
    server: str
    modules: tuple[Path, ...] = ()
    requirements: Path | tuple[str, ...] = ()
    name: str = "inline"
    version: str = "1.0.0"
    publisher: str = "local"
    config: dict[str, Any] = field(default_factory=dict)


def run_config(file: Path | None, settings: tuple[str, ...]) -> dict[str, Any]:
    """Return the defaults of an app that has none yet: what the user sets. Raises UsageError."""
    values: dict[str, Any] = read_toml(file) if file else {}
    if wrong := flatten(values)[1]:
        raise UsageError(f"{file}: {wrong[0]} must be true, false, a number or a string")
    given, problems = settings_of(settings, None)
    if problems:
        raise UsageError("\n".join(problems))
    return flatten(values)[0] | {key: value for key, (_, value) in given.items()}


def write_app(inline: Inline, folder: Path) -> None:
    """Write the pieces as an app into a new folder. Raises UsageError with all that is wrong."""
    import tomli_w  # comes with flwr

    folder.mkdir()
    problems: list[str] = []
    for module in inline.modules:
        problems += _copy(module, folder)
    components: dict[str, str] = {}
    for side in KINDS:
        try:
            components[f"{side}app"] = _component(side, getattr(inline, side), folder)
        except UsageError as error:
            problems.append(f"--{side}: {error}")
    requirements, wrong = _requirements(inline.requirements)
    if problems := [*problems, *wrong, *_hidden(folder), *_left_beside(inline, folder)]:
        raise UsageError("\n".join(problems))
    app: dict[str, Any] = {"publisher": inline.publisher, "components": dict(sorted(components.items()))}
    if inline.config:
        app["config"] = inline.config
    project = {"name": inline.name, "version": inline.version, "dependencies": requirements}
    with (folder / "pyproject.toml").open("wb") as file:
        tomli_w.dump({"project": project, "tool": {"flwr": {"app": app}}}, file)


def _component(side: str, said: str, folder: Path) -> str:
    """Write a side's code, unless it lies there already, and return its MODULE:OBJECT. Raises UsageError."""
    if "\n" in said:
        (folder / f"{side}_app.py").write_text(said, encoding="utf-8")
        return f"{side}_app:{_object(side, said)}"
    place, colon, name = said.rpartition(":")
    place = place if colon else said
    if place.endswith(".py"):
        if problems := list(_copy(Path(place), folder)):
            raise UsageError("\n".join(problems))
        module = Path(place).stem
        return f"{module}:{(name if colon else '') or _object(side, _text(folder / f'{module}.py'))}"
    if not colon:
        where = sorted(
            file.relative_to(folder).with_suffix("").as_posix().replace("/", ".")
            for file in folder.rglob("*.py")
            if said in _names(_text(file))
        )
        if len(where) != 1:
            what = f"{' and '.join(where)} have" if where else "no module has"
            raise UsageError(f"{what} an object {said!r}", "write FILE.py, FILE.py:OBJECT or MODULE:OBJECT")
        return f"{where[0]}:{said}"
    return said  # MODULE:OBJECT; the app's checks look it up


def _object(side: str, code: str) -> str:
    """Return the name that the code gives to its one ClientApp or ServerApp. Raises UsageError."""
    kind = KINDS[side]
    found = [
        target.id
        for node in _tree(code).body
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call)
        if ast.unparse(node.value.func).rpartition(".")[2] == kind
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    ]
    if len(found) != 1:
        several = f"several objects: {', '.join(found)}" if found else f"no object made by {kind}(…)"
        raise UsageError(f"its code has {several}", "name it: FILE.py:OBJECT")
    return found[0]


def _names(code: str) -> set[str]:
    names = (node for node in ast.walk(_tree(code)) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Store)}


def _tree(code: str) -> ast.Module:
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"line {getattr(error, 'lineno', 1)} does not parse: {error}") from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{file.name}: is not UTF-8") from None


def _copy(source: Path, folder: Path) -> Iterator[str]:
    """Copy a module or a package into an app; yield what is wrong with it."""
    target = folder / source.name
    if not _importable(source.name.removesuffix(".py")):
        yield f"{source}: its name cannot be imported; use letters, digits and underscores"
    elif source.is_dir():
        files = [file for file in sorted(source.rglob("*.py")) if not file.is_symlink()]
        if not files:
            yield f"{source}: has no Python files"
        for file in files:
            yield from _copy_file(file, target / file.relative_to(source))
    elif not source.name.endswith(".py"):
        yield f"{source}: is neither a .py file nor a directory"
    else:
        yield from _copy_file(source, target)


def _copy_file(source: Path, target: Path) -> Iterator[str]:
    try:
        if source.stat().st_size > LARGEST_PIECE:
            yield f"{source}: more than {LARGEST_PIECE:,} bytes"
        elif target.exists() and target.read_bytes() != source.read_bytes():
            yield f"{source}: there is another {target.name} already"
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    except OSError as error:
        yield f"{source}: {error.strerror}"


def _importable(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)


def _hidden(folder: Path) -> Iterator[str]:
    """Yield what would take the place of a module that Flower itself needs."""
    for entry in sorted(folder.iterdir()):
        if entry.name.removesuffix(".py") in RESERVED:
            yield f"{entry.name}: would hide the module of that name that comes with Python or Flower"


def _left_beside(inline: Inline, folder: Path) -> Iterator[str]:
    """Yield which modules that the pieces import lie beside them and are no pieces themselves."""
    for piece in (*map(_file, (inline.client, inline.server)), *inline.modules):
        if piece and (folder / piece.name).is_file():
            with contextlib.suppress(CompileError):
                for item in imports(compiled((folder / piece.name).read_bytes())):
                    if item.certain and not item.level and (module := _beside(piece, item.module, folder)):
                        what = f"imports {item.module}, which is not part of the app"
                        yield f"{piece}:{item.line}: {what}: add --module {module}"


def _beside(piece: Path, module: str, folder: Path) -> Path | None:
    """Return the file or package beside a piece that an import means and that is not in the app."""
    name = module.partition(".")[0]
    given = any((folder / entry).exists() for entry in (name, f"{name}.py"))
    if given or name in RESERVED:
        return None
    if (piece.with_name(name) / "__init__.py").is_file():
        return piece.with_name(name)
    file = piece.with_name(f"{name}.py")
    return file if file.is_file() else None


def _file(said: str) -> Path | None:
    """Return the file that a side's code is in, None for code itself or an object of a module."""
    place = said.rpartition(":")[0] if ":" in said else said
    return Path(place) if place.endswith(".py") and "\n" not in said else None


def _requirements(said: Path | tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return requirements as pyproject.toml has them, with Flower's own, and what is wrong."""
    from packaging.requirements import InvalidRequirement, Requirement  # comes with flwr

    where, lines = ("", list(said)) if isinstance(said, tuple) else (f"{said}:", [])
    if isinstance(said, Path):
        try:
            lines = said.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            return [], [f"{said}: {getattr(error, 'strerror', None) or 'is not UTF-8'}"]
    found: list[str] = []
    wrong: list[str] = []
    for number, line in enumerate(lines, 1):
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        try:
            found += [str(Requirement(text))] if text else []
        except InvalidRequirement:
            wrong.append(
                f"{where}{number}: {text!r} is not a requirement such as `numpy>=2`; options are not accepted"
            )
    own = any(re.match(r"flwr\b", text) for text in found)
    return (found if own else [FLOWER, *found]), wrong
