"""Text files that users wrote: UTF-8, and TOML in it."""

from __future__ import annotations

import codecs
import tomllib
from pathlib import Path
from typing import Any

from .errors import UsageError

SAVE = "save it as UTF-8 without a byte order mark"
BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


class NotUtf8Error(ValueError):
    """A text file in another encoding; the message names it."""


def utf8(raw: bytes) -> str:
    """Return a file's text, with its byte order mark if it has one. Raises NotUtf8Error."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw[:2]:
        raise NotUtf8Error("the file is UTF-16, not UTF-8")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise NotUtf8Error(f"the file is not UTF-8 (line {line}, byte 0x{raw[error.start]:02x})") from None


def read_toml(file: Path) -> dict[str, Any]:
    """Return a TOML file's content. Raises UsageError with the file and the place in it."""
    try:
        return tomllib.loads(utf8(file.read_bytes()).removeprefix(BYTE_ORDER_MARK))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    except NotUtf8Error as error:
        raise UsageError(f"{file}: {error}", SAVE) from None
    except ValueError as error:
        raise UsageError(f"{file}: not TOML: {error}") from None
    except RecursionError:
        raise UsageError(f"{file}: its lists or tables are nested too deeply", "make it flatter") from None
