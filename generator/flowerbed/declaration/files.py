"""From a file to a checked declaration."""

from __future__ import annotations

from pathlib import Path

import msgspec

from flowerbed.declaration.model import Declaration
from flowerbed.declaration.resolution import resolve
from flowerbed.errors import DeclarationError, Problem
from flowerbed.plan import Plan


def load(path: Path) -> Declaration:
    """Return the declaration in a file.

    Raises DeclarationError with all its problems.
    """
    import yaml

    try:
        return msgspec.convert(yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader), Declaration)
    except (yaml.YAMLError, msgspec.ValidationError, OSError) as error:
        raise DeclarationError(str(path), [Problem(0, 0, "", str(error))]) from None


def load_plan(path: Path) -> Plan:
    """Return the plan of the declaration in a file: `load`, then `resolve`."""
    return resolve(load(path))
