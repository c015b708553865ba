"""What an app imports from Flower and this line of Flower does not have: Flower's source is read."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import re
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from .checks import MOST_TOLD
from .imports import FLOWER
from .requirements import LINE
from .syntax import Import


def gone(imports: Iterable[tuple[str, Import]]) -> Iterator[tuple[str, bool]]:
    """Yield what is imported from Flower and is not in it, and whether that is certain to be carried out.

    Nothing where another line of Flower is installed here than the federation's.
    """
    root = _root()
    missing = _missing(root, imports) if root else iter(())
    for where, item, what, names in itertools.islice(missing, MOST_TOLD):
        yield f"{where}: imports {what}{_homes(root, names) if root else ''}", item.certain


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
    if spec is None or spec.origin is None or not metadata.version(FLOWER).startswith(f"{LINE}."):
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


def _homes(root: Path, names: Iterable[str]) -> str:
    """Return where the names are now, in words."""
    found = {name: _home(root, name) for name in names}
    return "".join(f"; {name} is in {module}" for name, module in found.items() if module)


def _home(root: Path, name: str) -> str:
    """Return the module that gives a name: the outermost package that exports it, else where it is made."""
    exported, made = [], []
    for file in (root / FLOWER).rglob("*.py"):
        module = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        text = file.read_text(encoding="utf-8")
        if file.name == "__init__.py" and f'"{name}"' in text:
            exported.append(module)
        elif re.search(rf"(?m)^(class|def) {re.escape(name)}\b|^{re.escape(name)} *[:=]", text):
            made.append(module)
    return min(exported or made, key=lambda module: (module.count("."), module), default="")


def _has(root: Path, module: str, text: str, name: str) -> bool:
    """Return whether a name may be in a module: as a word of its text, from another, or as a module."""
    return (
        name == "*"
        or re.search(rf"\b{re.escape(name)}\b|import \*", text) is not None
        or _source(root, f"{module}.{name}") is not None
    )
