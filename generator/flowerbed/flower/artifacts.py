"""Files that an app hands out through its log: `artifact {JSON}` lines, each with a part in base64.

What an app prints is a stranger's word: names are plain file names, below at most seven directories, sizes
are bounded, and a file counts only when its size and its SHA-256 are those that its lines gave. A line may
also say that a file is not there, with its size and the reason (app_folder.py writes it so).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass, field

from .runs import plain

# All artifacts of a run together, in bytes: a log goes through the SuperLink's database.
SIZE_LIMIT = 8 * 1024 * 1024
COUNT_LIMIT = 100
LISTED_LIMIT = 100  # files that are named without being there
_MARK = "artifact {"
_LINE = re.compile(r"artifact (\{.*\})\s*$")
NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,99}/){0,7}[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of an app's; `data` is None for one that is not in the log, and `problem` says why.

    `size` in bytes is what the app reported of a file that it did not send.
    """

    name: str
    sha256: str
    data: bytes | None = field(repr=False)
    problem: str = ""
    size: int = 0


@dataclass(slots=True)
class _Draft:
    sha256: str
    parts: int
    pieces: dict[int, bytes] = field(default_factory=dict)


def artifacts(log: str) -> list[Artifact]:
    """Return the artifacts of a log by name, refused ones too; lines that make no sense are passed over."""
    drafts: dict[str, _Draft] = {}
    refused: dict[str, str] = {}
    missing: dict[str, Artifact] = {}
    taken = 0
    for line in log.splitlines():
        if _MARK not in line or not (found := _LINE.match(plain(line))):
            continue
        told = _read(found[1])
        if told is None:
            absent = _absent(found[1])
            if absent and len(missing) < LISTED_LIMIT:
                missing[absent.name] = absent
            continue
        name, part, draft, piece = told
        if not NAME.fullmatch(name):
            refused[name[:100]] = "its name is not a plain file name"
            continue
        if taken + len(piece) > SIZE_LIMIT or (name not in drafts and len(drafts) >= COUNT_LIMIT):
            refused[name] = f"more than {SIZE_LIMIT:,} bytes or {COUNT_LIMIT} files in one run"
            continue
        known = drafts.get(name)
        if known is None or known.sha256 != draft.sha256:  # a file that is given again replaces itself
            known = drafts[name] = draft
        taken += len(piece) - len(known.pieces.get(part, b""))
        known.pieces[part] = piece
    folders = {name[:end] for name in drafts for end, sign in enumerate(name) if sign == "/"}
    refused |= dict.fromkeys(folders & drafts.keys(), "it is a directory of other files, too")
    good = [_finish(name, draft) for name, draft in drafts.items() if name not in refused]
    bad = [Artifact(name, "", None, problem) for name, problem in refused.items()]
    given = {one.name for one in (*good, *bad)}
    left_out = [one for name, one in missing.items() if name not in given]
    return sorted([*good, *bad, *left_out], key=lambda one: one.name)


def _absent(text: str) -> Artifact | None:
    """Return the file that a line says is not in the log, None where it says nothing of the kind."""
    try:
        told = json.loads(text)
        name, size, problem = told["name"], told["size"], told["problem"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not (isinstance(name, str) and isinstance(problem, str) and type(size) is int and 0 <= size < 2**63):
        return None
    return Artifact(name[:200], "", None, problem[:200] or "it is not in the log", size)


def _read(text: str) -> tuple[str, int, _Draft, bytes] | None:
    try:
        told = json.loads(text)
        name, sha256, part, parts = told["name"], told["sha256"], told["part"], told["parts"]
        piece = base64.b64decode(told["data"], validate=True)
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        return None
    whole = isinstance(part, int) and isinstance(parts, int) and 1 <= part <= parts <= SIZE_LIMIT
    if not (whole and isinstance(name, str) and isinstance(sha256, str)):
        return None
    return name, part, _Draft(sha256, parts), piece


def _finish(name: str, draft: _Draft) -> Artifact:
    if len(draft.pieces) < draft.parts:
        missing = draft.parts - len(draft.pieces)
        return Artifact(name, draft.sha256, None, f"{missing} of {draft.parts} parts are missing")
    data = b"".join(draft.pieces[part] for part in sorted(draft.pieces))
    if hashlib.sha256(data).hexdigest() != draft.sha256:
        return Artifact(name, draft.sha256, None, "its SHA-256 differs from the announced one")
    return Artifact(name, draft.sha256, data)


def shown(text: str) -> str:
    """Return whole lines of a log as people read them: a line for each file instead of all its parts."""
    if _MARK not in text:
        return text
    lines = (_shown_line(line) if _MARK in line else line for line in text.splitlines(keepends=True))
    return "".join(lines)


def _shown_line(line: str) -> str:
    found = _LINE.match(plain(line.rstrip("\r\n")))
    told = _read(found[1]) if found else None
    if told is None:
        absent = _absent(found[1]) if found else None
        return f"file {absent.name!a} is not in the log: {absent.problem!a}\n" if absent else line
    name, part, draft, _ = told
    if part > 1:
        return ""
    parts = f"{draft.parts} part{'s' * (draft.parts > 1)}"
    return f"file {name if NAME.fullmatch(name) else '(refused)'} ({parts})\n"
