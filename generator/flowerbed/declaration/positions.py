"""Where in the text of a declaration a key path stands."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from flowerbed.declaration.violations import KeyPath


class Branch:
    """The places of a mapping or list: where it starts, where its keys start, and the places of its values.

    Places are offsets into the text, and ranges of them for scalars: numbers cost the garbage collector
    nothing, and a file has ten thousands.
    """

    __slots__ = ("keys", "start", "values")

    def __init__(self, start: int) -> None:
        self.start = start
        self.keys: dict[str, int] = {}
        self.values: dict[str | int, Branch | range] = {}


Source = Branch | range


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a key path ends in the text: the offset to point at, and a scalar's own text (else "")."""

    offset: int
    raw: str


class Text:
    """A text and its lines."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._line_starts: list[int] = []

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset, both from 1."""
        if not self._line_starts:
            self._line_starts = [0, *(found.end() for found in re.finditer(r"\r\n|\r|\n", self.text))]
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def find(self, source: Source, path: KeyPath, *, on_key: bool = False) -> Spot:
        """Return the spot of the value at `path`, or of the nearest thing that holds it.

        A mapping or list is found by its key, as is anything with `on_key`.
        """
        offset = source.start
        for depth, step in enumerate(path, 1):
            if not isinstance(source, Branch):
                return Spot(offset, "")
            key_offset = source.keys.get(step) if isinstance(step, str) else None
            child = source.values.get(step)
            if child is None:
                return Spot(offset if key_offset is None else key_offset, "")
            by_key = key_offset is not None and (isinstance(child, Branch) or (on_key and depth == len(path)))
            offset = key_offset if by_key and key_offset is not None else child.start
            source = child
        raw = "" if isinstance(source, Branch) else self.text[source.start : source.stop]
        return Spot(offset, raw)
