"""What a user calls a run: a name, tags, a note. They are kept in the run's record alone.

Flower 1.41 has no place for them: its StartRunRequest carries the FAB and the run config, its Run neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .text import plain, screened

MOST_TAGS = 50
LONGEST_NOTE = 4000  # characters
# No spaces or commas, so that a word names a run on a command line and a list of them is one argument.
_WORD = re.compile(r"[^\W_][\w.+:@/=-]{0,99}")
_HELP = "up to 100 letters, digits and . _ + : @ / = -, beginning with a letter or digit"
NAME_HELP = "name of the run, kept in its record; other commands accept it as RUN"
TAG_HELP = "tag of the run, kept in its record; repeatable"
NOTE_HELP = "note on the run, kept in its record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Name, tags and note of a run, each empty where none was given."""

    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""


def labels(name: str | None = None, tags: Iterable[str] = (), note: str | None = None) -> Labels:
    """Return the labels that a user gives, each tag once. Raises UsageError for one that cannot be."""
    # Imported late: `flowerbed --help` reads the texts above, and shall be quick.
    from .errors import UsageError

    found = tuple(dict.fromkeys(tags))
    for word, what in [(name, "name"), *((tag, "tag") for tag in found)]:
        if word is not None and not _WORD.fullmatch(word):
            raise UsageError(f"{plain(word)[:200]!r} cannot be the {what} of a run", f"use {_HELP}")
    if name is not None and (name == "latest" or name.isdecimal()):
        kind = "digits alone are the beginning of an id" if name.isdecimal() else "it means the newest run"
        raise UsageError(f"{name[:100]!r} cannot be the name of a run: {kind}", "choose another")
    if len(found) > MOST_TAGS:
        raise UsageError(f"{len(found)} tags for one run", f"give {MOST_TAGS} at most")
    if note is not None and (len(note) > LONGEST_NOTE or screened(note, colors=False) != note):
        raise UsageError(
            "the note is too long, or has control characters", f"write {LONGEST_NOTE} characters at most"
        )
    return Labels(name=name or "", tags=found, note=note or "")
