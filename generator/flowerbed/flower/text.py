"""Text that others wrote, made safe to print: the only filter between a stranger's words and a terminal.

Names, reasons, logs and errors come from other users' apps, from nodes, servers and repositories. Colors
(ECMA-48, "select graphic rendition") may stay; every other control or format character becomes U+FFFD.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TextIO

LIMIT = 300  # characters of a name, a reason or a log line in a table or on a page
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_COLOR = re.compile(r"\x1b\[[0-9;:]{0,64}m")
_RESET = "\x1b[0m"
# Every control sequence that begins with ESC [ (ECMA-48, 5.4): what Flower puts around a log level is one.
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_SUSPECT = re.compile(r"[^\x20-\x7e]")
_SUSPECT_IN_LINES = re.compile(r"[^\x20-\x7e\n\t]")


def plain(text: str) -> str:
    """Return text with U+FFFD in place of each control and format character, line ends included."""
    return _SUSPECT.sub(_visible, text)


def screened(text: str, *, colors: bool) -> str:
    """Return lines of text that cannot control a terminal; with `colors`, SGR sequences stay and are reset.

    Tabs and line feeds stay. A carriage return, which would overwrite its line, ends it.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    if not colors:
        return _SUSPECT_IN_LINES.sub(_visible, _COLOR.sub("", lines))
    sequences = _COLOR.findall(lines)
    pieces = [_SUSPECT_IN_LINES.sub(_visible, piece) for piece in _COLOR.split(lines)]
    shown = "".join(piece + color for piece, color in zip(pieces, [*sequences, ""], strict=True))
    return shown + _RESET if sequences and sequences[-1] not in {_RESET, "\x1b[m"} else shown


def hanging(text: str) -> str:
    """Return text of several lines, the later ones indented, so that none passes for a line of our own."""
    return screened(text, colors=False).strip("\n").replace("\n", "\n  ")


def printable(text: str) -> str:
    """Return text on one line, its white space collapsed, cut to LIMIT characters."""
    return harmless(" ".join(text.split()))


def harmless(line: str) -> str:
    """Return a line with its spaces, tabs expanded, cut to LIMIT characters."""
    shown = plain(line.expandtabs(4))
    return shown if len(shown) <= LIMIT else f"{shown[: LIMIT - 1]}…"


def colorless(text: str) -> str:
    """Return log text without its control sequences: for reading it, not for showing it."""
    return _SEQUENCE.sub("", text)


def escaped(document: str) -> str:
    """Return a JSON document with what a terminal may obey as `\\uXXXX`, which means the same."""
    return re.sub(
        r"[^\x20-\x7e\n]", lambda found: found[0] if _is_safe(found[0]) else _escape(found[0]), document
    )


def write(stream: TextIO, text: str) -> None:
    """Write text to a stream through the filter and flush it; only a terminal gets colors."""
    stream.write(screened(text, colors=stream.isatty()))
    stream.flush()


def _visible(found: re.Match[str]) -> str:
    return found[0] if _is_safe(found[0]) else _REPLACEMENT


def _is_safe(character: str) -> bool:
    """Return whether a character only shows; spaces that do not break a line do."""
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
