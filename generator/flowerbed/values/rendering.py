"""Text from templates: what is not defined is an error, and every value goes through a quoting filter."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowerbed.values import quoting

if TYPE_CHECKING:
    from jinja2 import Environment, FileSystemBytecodeCache

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, data: Mapping[str, Any]) -> str:
    """Return the text of `templates/NAME.j2` with its variables from `data`."""
    return _environment().get_template(f"{template}.j2").render(data)


@cache
def fingerprint() -> str:
    """Return a SHA-256 of all templates: texts of another fingerprint were written in other words."""
    digest = hashlib.sha256()
    for path in sorted(TEMPLATES.glob("*.j2")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # No HTML is made here, and quoting for YAML and shells is what the filters are for.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(TEMPLATES),
        bytecode_cache=_bytecode_cache(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        cache_size=-1,
    )
    environment.filters["yaml"] = quoting.flow
    environment.filters["yaml_key"] = quoting.key_text
    environment.filters["yaml_mapping"] = quoting.mapping
    environment.filters["yaml_block"] = quoting.block
    environment.filters["shell"] = quoting.shell
    return environment


def _bytecode_cache() -> FileSystemBytecodeCache | None:
    """Return a cache of compiled templates beside them, as Python keeps its own; None where it may not be."""
    from jinja2 import FileSystemBytecodeCache

    folder = TEMPLATES / "__pycache__"
    try:
        folder.mkdir(exist_ok=True)
    except OSError:
        return None
    usable = os.access(folder, os.W_OK) and not sys.dont_write_bytecode
    return FileSystemBytecodeCache(str(folder)) if usable else None
