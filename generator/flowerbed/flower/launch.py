"""Run one of the programs by its name, with whichever Python has `flwr`: `python launch.py supernode ...`.

The package is the one around this file, or what lies beside it where a ConfigMap is mounted. Nothing else is
taken from there, such as packages of another environment, which may be for another Python.
"""

from __future__ import annotations

import importlib.util
import runpy
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

PACKAGE = "flowerbed"


class Modules(MetaPathFinder):
    """Finds the package's modules by their names below a directory.

    `separator` stands between the parts of a name: `/`, or `--` in a ConfigMap, whose keys hold no `/`.
    """

    def __init__(self, directory: Path, separator: str) -> None:
        self._directory, self._separator = directory, separator

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002  (as Python calls it)
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return where a module lies, None for those of others."""
        parts = fullname.split(".")
        for name, inside in ((parts, None), ([*parts, "__init__"], [])):
            file = self._directory / f"{self._separator.join(name)}.py"
            if parts[0] == PACKAGE and file.is_file():
                return importlib.util.spec_from_file_location(
                    fullname, file, submodule_search_locations=inside
                )
        return None


def main() -> None:
    """Run the program that the first argument names, with the others."""
    here = Path(__file__).parent
    mounted = (here / f"{PACKAGE}--__init__.py").is_file()
    sys.meta_path.insert(0, Modules(here, "--") if mounted else Modules(here.parents[1], "/"))
    program = sys.argv.pop(1)
    runpy.run_module(f"{PACKAGE}.flower.programs.{program}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    # In the directory of this file there are modules with the names of Python's own.
    sys.path.pop(0)
    main()
