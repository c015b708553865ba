"""Text from templates, in which people's words arrive as they were, in YAML and in a shell.

What is not defined is an error, and every value goes through a quoting filter. A string becomes a
double-quoted scalar whose only escapes are those of the quote, the backslash, the newline, and `u` and `U`
with hexadecimal digits: YAML 1.1 and 1.2 read these alike. What a terminal or an editor would not show is
escaped: control and format characters, odd spaces and line ends, and what YAML's readers refuse.
"""

from __future__ import annotations

import hashlib
import math
import os
import shlex
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    environment.filters["yaml"] = flow
    environment.filters["yaml_key"] = key_text
    environment.filters["yaml_mapping"] = mapping
    environment.filters["yaml_block"] = block
    environment.filters["shell"] = shell
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


def quote(text: str) -> str:
    """Return `text` as a double-quoted scalar on one line. Raises ValueError for a lone surrogate."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    if not escaped.isprintable():
        escaped = "".join(map(_visible, escaped))
    return f'"{escaped}"'


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    point = ord(character)
    if 0xD800 <= point < 0xE000:
        raise ValueError("a lone surrogate is not text")
    return f"\\u{point:04X}" if point < 0x10000 else f"\\U{point:08X}"


def block(text: str, indent: int) -> str:
    """Return `text` as a literal block whose lines are indented by `indent` spaces, for people to read.

    Text that a block would not carry to the letter becomes a quoted scalar instead.
    """
    lines = text.removesuffix("\n").split("\n")
    plain = text.endswith("\n") and all(line.isprintable() and line.strip() == line != "" for line in lines)
    if not plain:
        return quote(text)
    return "|\n" + "\n".join(" " * indent + line for line in lines)


def flow(value: object) -> str:
    """Return plain data (mappings with text keys, sequences, scalars) as YAML on one line, strings quoted.

    Raises TypeError for anything else, so that nothing is ever rendered by its `str`.
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow_key(key)}: {flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return quote(value) if isinstance(value, str) else _scalar(value)


def _scalar(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        digits, exponent, power = repr(value).partition("e")
        return f"{digits}{'' if '.' in digits else '.0'}{exponent}{power}"  # YAML 1.1 wants the dot
    raise TypeError(f"no value for a chart: {type(value).__name__}")


def mapping(values: Mapping[str, object], indent: int = 0) -> str:
    """Return a mapping as YAML in lines, indented by `indent` spaces; what is in a list is on one line.

    Raises TypeError as `flow` does.
    """
    space = " " * indent
    lines = []
    for key, value in values.items():
        announced = len(key) >= _KEY_LIMIT
        name = f"{space}? {quote(key)}\n{space}:" if announced else f"{space}{key_text(key)}:"
        if isinstance(value, Mapping) and value:
            lines.append(f"{name}\n{mapping(value, indent + 2)}")
        else:
            lines.append(f"{name} {flow(value)}")
    return "\n".join(lines)


def key_text(key: str) -> str:
    """Return a mapping's key: plain where it is a word that YAML 1.1 and 1.2 both take as text."""
    return key if key.isascii() and key.isidentifier() and key.lower() not in _RESERVED else quote(key)


def _flow_key(key: str) -> str:
    # YAML readers take a longer key only where it is announced.
    return key_text(key) if len(key) < _KEY_LIMIT else f"? {quote(key)} "


# Ten characters, as one may become by escaping, times this are fewer than the 1024 that YAML allows.
_KEY_LIMIT = 100
_RESERVED = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


def shell(text: str) -> str:
    """Return `text` as one word of a POSIX shell."""
    return shlex.quote(text)
