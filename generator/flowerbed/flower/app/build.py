"""Pack an app folder into a FAB with Flower's own builder, without the second that its imports cost.

`flwr.cli.build` needs a handful of small modules to build, and imports the whole command line beside them.
Here the rest is replaced by stand-ins that fail when used. If one is used, or the builder complains, Flower's
builder is imported whole and decides: the bytes, and the complaints, are always Flower's (flwr 1.41).
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, Never

BUILDER = "flwr.cli.build"
# What building runs through (flwr 1.41); everything else of flwr, and the libraries below, is left out.
NEEDED = frozenset(
    {
        BUILDER,
        "flwr.app.user_config",
        "flwr.cli.utils",
        "flwr.common.config",
        "flwr.common.constant",
        "flwr.supercore.constant",
        "flwr.supercore.fab_format_version",
        "flwr.supercore.object_ref",
        "flwr.supercore.utils",
    }
)
LARGEST_FAB = 10 * 1024 * 1024  # flwr 1.41: common/constant.py, FAB_MAX_SIZE
LEFT_OUT = frozenset({"click", "httpx", "requests", "rich", "typer"})


def build(app: Path) -> bytes:
    """Return the FAB of an app folder. Raises ValueError with Flower's reason when it cannot be built."""
    try:
        # Deprecations inside of Flower are nothing that an app could change.
        with warnings.catch_warnings(action="ignore"):
            return _build_lightly(app) or _builder()(app)
    except OSError as error:
        raise ValueError(f"{error.filename}: {error.strerror}") from None
    except Exception as error:  # Flower raises several kinds, not all of them ValueErrors
        raise ValueError(str(error)) from None


def _build_lightly(app: Path) -> bytes:
    """Return the FAB, or nothing where stand-ins do not do."""
    if "flwr" not in sys.modules:
        with contextlib.suppress(Exception), _stand_ins():
            return _builder()(app)
    return b""


def _builder() -> Callable[[Path], bytes]:
    module: Any = importlib.import_module(BUILDER)

    def built(app: Path) -> bytes:
        # As `build_fab_from_disk` does it, but for the bound on what is read.
        left = [LARGEST_FAB]
        files = module.collect_files(app.expanduser().resolve())
        # A pipe would have to be waited for.
        bounded = {name: _Bounded.within(left, file) for name, file in files.items() if file.is_file()}
        return bytes(module.build_fab_from_files(bounded)[0])

    return built


_Path: Any = type(Path())  # of this system


class _Bounded(_Path):  # type: ignore[misc]
    """A file of an app. Flower reads all of them into memory before it looks at the FAB's size."""

    @classmethod
    def within(cls, left: list[int], file: Path) -> _Bounded:
        """Return a file that takes what it reads from the bytes that are `left`."""
        made = cls(file)
        made.left = left
        return made

    def read_bytes(self) -> bytes:
        """Return the content. Raises ValueError when an app's files together are more than a FAB may hold."""
        with self.open("rb") as opened:
            content: bytes = opened.read(self.left[0] + 1)
        self.left[0] -= len(content)
        if self.left[0] < 0:
            raise ValueError(
                f"its files are more than {LARGEST_FAB:,} bytes, which is what Flower takes of an app"
            )
        return content


class _StandIn(type):
    """A name that nobody may use: it can be imported, annotated with and subclassed, no more."""

    def _fail(cls, *_: object, **__: object) -> Never:
        raise RuntimeError(f"{cls.__name__} is left out")

    __call__ = __bool__ = __contains__ = __iter__ = __instancecheck__ = __subclasscheck__ = _fail

    def __getattr__(cls, name: str) -> _StandIn:
        return _stand_in(cls.__name__, name)


def _stand_in(owner: str, name: str) -> _StandIn:
    # Names with underscores are how Python asks what an object can do: the answer is no.
    if name.startswith("__") or f"{owner}.{name}" in NEEDED:
        raise AttributeError(name)
    return _StandIn(f"{owner}.{name}", (), {})


class _Finder:
    """Finds stand-ins for all that building does not need."""

    def __init__(self, root: Path) -> None:
        self._root = root
        # What is loaded already costs nothing, and shall not get stand-ins below it.
        self._left_out = LEFT_OUT - set(sys.modules)

    def find_spec(self, name: str, *__: object) -> ModuleSpec | None:
        """Return a stand-in's spec, or None for what the ordinary finders shall find."""
        top, _, rest = name.partition(".")
        if top not in self._left_out and (top != "flwr" or name in NEEDED or rest.startswith("proto")):
            return None
        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """Return a module whose every name is a stand-in."""
        module = types.ModuleType(spec.name)
        module.__getattr__ = lambda name: _stand_in(spec.name, name)  # type: ignore[method-assign]
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Let a package of flwr find its own modules."""
        module.__path__ = [str(self._root.joinpath(*module.__name__.split(".")))]


@contextlib.contextmanager
def _stand_ins() -> Iterator[None]:
    """Import stand-ins meanwhile, and forget afterwards all that was imported beside them."""
    spec = importlib.util.find_spec("flwr")
    if spec is None or spec.origin is None:
        raise ValueError("flwr is not installed for this Python")
    finder: Any = _Finder(Path(spec.origin).parents[1])
    before = set(sys.modules)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        tops = LEFT_OUT | {"flwr"}
        for name in set(sys.modules) - before:
            # The messages stay: protobuf knows each of them once in a process.
            if name.partition(".")[0] in tops and not name.startswith("flwr.proto"):
                del sys.modules[name]
