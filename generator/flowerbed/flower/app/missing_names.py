"""What an app imports from Flower and this line of Flower does not have: Flower's source is read."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from .checks import MOST_TOLD
from .imports import FLOWER
from .installed import version_of
from .requirements import LINE
from .syntax import Import

_QUOTED = re.compile(r'"([A-Za-z_]\w*)"')
_MADE = re.compile(r"(?m)^(?:class|def) (\w+)|^([A-Za-z_]\w*) *[:=]")


def gone(imports: Iterable[tuple[str, Import]]) -> Iterator[str]:
    """Yield what is imported from Flower and is not in it, with where it is now.

    Nothing where another line of Flower is installed here than the federation's.
    """
    root = _root()
    missing = _missing(root, imports) if root else iter(())
    for where, item, what, names in itertools.islice(missing, MOST_TOLD):
        fails = ", so that the run fails" if item.certain else ""
        yield f"{where}: imports {what}{fails}{_told(names, root) if root else ''}"


def homes(module: str, names: Iterable[str]) -> dict[str, str]:
    """Return where those of the names are that Flower's module does not give: another module by name."""
    if not (root := _root()):
        return {}
    text = _source(root, module)
    moved = [name for name in names if text is None or not _has(root, module, text, name)]
    return {name: _index(root)[name] for name in moved if name in _index(root)}


def _missing(
    root: Path, imports: Iterable[tuple[str, Import]]
) -> Iterator[tuple[str, Import, str, tuple[str, ...]]]:
    """Yield where and what is imported and is not there, and the names that were asked for."""
    for path, item in imports:
        if item.guarded:
            continue
        where, text = f"{path}:{item.line}", _source(root, item.module)
        if text is None:
            yield where, item, f"{item.module}, which Flower {LINE} does not have", item.names[:5]
            continue
        for name in item.names:
            if not _has(root, item.module, text, name):
                what = f"{name} from {item.module}, which Flower {LINE} does not have there"
                yield where, item, what, (name,)


@functools.cache
def _root() -> Path | None:
    """Return the directory that Flower is installed in, None where it is of another line."""
    spec = importlib.util.find_spec(FLOWER)
    if spec is None or spec.origin is None or not version_of(FLOWER).startswith(f"{LINE}."):
        return None
    return Path(spec.origin).parents[1]


@functools.cache
def _source(root: Path, module: str) -> str | None:
    """Return a module's text, None where there is none."""
    base = root.joinpath(*module.split("."))
    for file in (base / "__init__.py", base.with_name(f"{base.name}.py")):
        if file.is_file():
            return file.read_text(encoding="utf-8")
    return "" if base.is_dir() else None


def _told(names: Iterable[str], root: Path) -> str:
    """Return where names are now, in words."""
    found = {name: _index(root)[name] for name in names if name in _index(root)}
    places = "; ".join(f"{name} is in {module}" for name, module in found.items())
    return f"; {places} (--fix takes {'it' if len(found) == 1 else 'them'} from there)" if places else ""


@functools.cache
def _index(root: Path) -> dict[str, str]:
    """Return the module that gives each name: the outermost package that exports it, or where it is made."""
    exported: dict[str, list[str]] = {}
    made: dict[str, list[str]] = {}
    for file in (root / FLOWER).rglob("*.py"):
        module = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        text = file.read_text(encoding="utf-8")
        if file.name == "__init__.py":
            for name in set(_QUOTED.findall(text)):
                exported.setdefault(name, []).append(module)
        for name in {match[1] or match[2] for match in _MADE.finditer(text)}:
            made.setdefault(name, []).append(module)
    return {name: min(found, key=_outermost) for name, found in (made | exported).items()}


def _outermost(module: str) -> tuple[int, str]:
    return module.count("."), module


def _has(root: Path, module: str, text: str, name: str) -> bool:
    """Return whether a name may be in a module: as a word of its text, from another, or as a module."""
    return (
        name == "*"
        or re.search(rf"\b{re.escape(name)}\b|import \*", text) is not None
        or _source(root, f"{module}.{name}") is not None
    )
