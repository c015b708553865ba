"""From a file to its text: what must hold before YAML is looked at."""

from __future__ import annotations

import re
from pathlib import Path

from flowerbed.declaration.positions import Text
from flowerbed.errors import DeclarationError, Problem

MAX_BYTES = 10_000_000
MAX_MARKS = 400_000
"""Line ends and marks of YAML in a file: a declaration of 10,000 tenants has 370,000."""
_MARKS = ("\n", ",", "[", "{", "- ", ": ")
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
# What YAML 1.2 does not allow unescaped (chapter 5.1, "c-printable").
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SAVE = "save the file as UTF-8"


def text_of(path: Path) -> str:
    """Return the text of a file, without the mark that some editors put before it.

    Raises DeclarationError if it cannot be read, is over 10 MB, is not UTF-8 or holds control characters.
    """
    data = _bytes(path)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refused(path, Problem(1, 1, "", "the file is UTF-16", _SAVE))
    try:
        text = data.decode().removeprefix(_BOM)
    except UnicodeDecodeError as error:
        place = Text(data[: error.start].decode()).line_and_column(error.start)
        problem = Problem(*place, "", f"the byte 0x{data[error.start]:02x} is not UTF-8", _SAVE)
        raise _refused(path, problem) from None
    if forbidden := _FORBIDDEN.search(text):
        place = Text(text).line_and_column(forbidden.start())
        message = f"the control character U+{ord(forbidden.group()):04X} is not allowed"
        raise _refused(path, Problem(*place, "", message, 'remove it, or write it as "\\x.." inside quotes'))
    if sum(map(text.count, _MARKS)) > MAX_MARKS:
        message = f"more than {MAX_MARKS} lines and values"
        raise _refused(path, Problem(0, 0, "", message, "a declaration says less: check that this is one"))
    return text


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        remedy = "name it, or write one with `flowerbed init`"
        raise _refused(path, Problem(0, 0, "", "there is no such file", remedy)) from None
    except IsADirectoryError:
        raise _refused(path, Problem(0, 0, "", "this is a directory", "name the file inside it")) from None
    except OSError as error:
        raise _refused(
            path, Problem(0, 0, "", f"cannot be read: {error.strerror}", "check its permissions")
        ) from None
    if len(data) > MAX_BYTES:
        raise _refused(
            path, Problem(0, 0, "", "larger than 10 MB", "a declaration is smaller: check the name")
        )
    return data


def _refused(path: Path, problem: Problem) -> DeclarationError:
    return DeclarationError(str(path), [problem])
