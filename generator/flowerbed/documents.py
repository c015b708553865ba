"""JSON documents for structs: what is written can be read, whatever figure or text it holds.

The form is that of `flower/json_text.py`.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from flowerbed.flower.json_text import loads, plain
from flowerbed.flower.text import escaped

T = TypeVar("T")


def encode(value: object, indent: int = 2) -> bytes:
    """Return a value of structs, dataclasses and plain data as JSON; `indent` 0 puts it on one line.

    What could control a terminal is escaped, so that a document can be printed.
    """
    text = msgspec.json.encode(plain(msgspec.to_builtins(value, str_keys=True)))
    document = msgspec.json.format(text, indent=indent) + b"\n" if indent else text
    return escaped(document.decode()).encode()


def decode(data: bytes, kind: type[T]) -> T:
    """Return a document as a value of the type that was written. Raises ValueError for what is none."""
    return convert(loads(data), kind)


def convert(value: object, kind: type[T]) -> T:
    """Return plain data, as `loads` gives it, as a value of a type. Raises ValueError where it is none."""
    return msgspec.convert(value, kind, str_keys=True)
