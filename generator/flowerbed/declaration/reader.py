"""YAML, read strictly, with the place of every key and value.

PyYAML's C parser gives events; the tree is built here in one loop, because composing it in PyYAML recurses
(100,000 brackets end the process), lets the last of two equal keys win, and loses the places. Not taken from
YAML, because no declaration needs it: tags, merge keys, keys that are not text, several documents.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import yaml

from flowerbed.declaration.positions import Branch, Source, Text
from flowerbed.declaration.scalars import Meaning, RefusedScalar, meaning
from flowerbed.declaration.violations import MAX_VIOLATIONS, KeyPath, key_path, show
from flowerbed.errors import Problem

MAX_DEPTH = 16
"""Levels of nesting; the deepest field of a declaration is at 7."""
MAX_NODES = 400_000
"""Values in a file, those that an alias repeats included; 10,000 tenants have 240,000."""
# By a part of libyaml's own words (libyaml 0.2.5).
_SYNTAX_REMEDIES = (
    ("mapping values are not allowed", "a key starts its own line; put text that holds `: ` in quotes"),
    ("could not find expected ':'", "write `key: value`; every key needs a colon and a space"),
    ("unexpected end of stream", "close the quote"),
    ("escape", r"inside double quotes a backslash is written \\; single quotes take it as it is"),
    ("did not find expected key", "indent all keys of one mapping by the same number of spaces"),
    ("did not find expected '-' indicator", "indent all entries of one list by the same number of spaces"),
    ("did not find expected ',' or", "close the bracket, or put a comma between the entries"),
    ("did not find expected node content", "close the bracket"),
    ("exceeded maximum nesting depth", "check brackets and indentation"),  # libyaml from 0.2.6 on
    ("incompatible YAML document", "leave the %YAML line out"),
)
_QUOTE = "put the text in quotes"


class Unreadable:
    """Stands for a value that was refused while it was read, so that nothing else is said about it."""


UNREADABLE = Unreadable()


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML text: its `data`, where each part stands (`source`), and what is wrong with it as YAML.

    `complete` is false when reading stopped before the end; there is no data then.
    """

    text: Text
    data: Any
    source: Source
    problems: tuple[Problem, ...]
    complete: bool = True


def read(text: str) -> Document:
    """Return what a YAML text says.

    Time and memory grow with the text, up to the limits of this module. An empty text has the data None.
    """
    builder = _Builder(Text(text))
    try:
        builder.run(yaml.CSafeLoader(text).get_event)
    except _StopReadingError:
        return Document(builder.text, None, range(0), tuple(builder.problems), complete=False)
    except yaml.MarkedYAMLError as error:
        problem = _syntax_problem(error, builder.text)
        return Document(builder.text, None, range(0), (*builder.problems, problem), complete=False)
    return Document(builder.text, builder.data, builder.source or range(0), tuple(builder.problems))


class _StopReadingError(Exception):
    """What follows cannot be read or is not worth it; the problem has been noted."""


class _Mark(Protocol):
    index: int


class _Event(Protocol):
    """What PyYAML's events have, each of them some of it."""

    start_mark: _Mark
    end_mark: _Mark
    anchor: str | None
    tag: str | None
    style: str
    value: str


class _Frame:
    """A mapping (`keyed`) or list that is being filled; `key` is the one that waits for its value."""

    __slots__ = ("anchor", "branch", "data", "first_node", "height", "keep", "key", "keyed")

    def __init__(self, event: _Event, first_node: int) -> None:
        self.keyed = isinstance(event, yaml.MappingStartEvent)
        self.data: Any = {} if self.keyed else []
        self.branch = Branch(event.start_mark.index)
        self.anchor = event.anchor
        self.first_node = first_node
        self.key: str | None = None
        self.keep = True
        self.height = 1


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A value that aliases may repeat: how many values it is, and how many levels."""

    data: object
    source: Source
    nodes: int
    height: int


class _Builder:
    """Builds the tree from events; `run` does it all."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.data: object = None
        self.source: Source | None = None
        self.problems: list[Problem] = []
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchor] = {}
        self._nodes = 0
        self._meanings: dict[str, Meaning] = {}

    def run(self, next_event: Callable[[], Any]) -> None:
        """Take all events."""
        handlers: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._open,
            yaml.SequenceStartEvent: self._open,
            yaml.MappingEndEvent: self._close,
            yaml.SequenceEndEvent: self._close,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
            yaml.DocumentEndEvent: _ignore,
            yaml.StreamStartEvent: _ignore,
        }
        while type(event := next_event()) is not yaml.StreamEndEvent:
            handlers[type(event)](event)

    def _document(self, event: _Event) -> None:
        if self.source is not None:
            self._stop(
                event.start_mark.index, "a second document starts here", "keep one federation per file"
            )

    def _scalar(self, event: _Event) -> None:
        frame = self._frames[-1] if self._frames else None
        if frame and frame.keyed and frame.key is None:
            self._key(frame, event)
            return
        value: object = event.value if event.style else self._meaning(event.value)
        if event.tag:
            value = self._refuse_tag(event)
        elif type(value) is RefusedScalar:
            value = self._refuse(event.start_mark.index, value.message, value.remedy)
        source = range(event.start_mark.index, event.end_mark.index)
        self._put(value, source)
        if event.anchor:
            self._anchors[event.anchor] = _Anchor(value, source, 1, 0)

    def _meaning(self, word: str) -> Meaning:
        if word not in self._meanings:
            self._meanings[word] = meaning(word)
        return self._meanings[word]

    def _key(self, frame: _Frame, event: _Event) -> None:
        key = frame.key = event.value
        frame.keep = True
        if key in frame.branch.keys:
            line, _ = self.text.line_and_column(frame.branch.keys[key])
            self._refuse(
                event.start_mark.index, f"this key is already there, in line {line}", "keep one of them"
            )
            frame.keep = False
            return
        frame.branch.keys[key] = event.start_mark.index
        plain = event.style or (key != "<<" and type(self._meaning(key)) is str)
        if not plain or event.anchor or event.tag:
            self._refuse_key(frame, event)

    def _refuse_key(self, frame: _Frame, event: _Event) -> None:
        """Refuse a key that is not plain text; its value is read but not kept."""
        quoted = f"put the key in quotes: {show(event.value)}"
        if event.anchor or event.tag:
            problem = "a key with an anchor or a tag", "write the key alone"
        elif event.value == "<<":
            problem = "merge keys are not supported", "write the keys out, or use a profile"
        elif isinstance(value := self._meaning(event.value), RefusedScalar):
            problem = value.message, quoted
        else:
            problem = "a key must be text", quoted
        frame.keep = False
        frame.data[event.value] = self._refuse(event.start_mark.index, *problem)

    def _open(self, event: _Event) -> None:
        frame, offset = (self._frames[-1] if self._frames else None), event.start_mark.index
        if frame and frame.keyed and frame.key is None:
            self._stop(offset, "a key must be text, not a mapping or a list", "put it in quotes")
        if len(self._frames) >= MAX_DEPTH:
            self._stop(offset, f"nested deeper than {MAX_DEPTH} levels", "check brackets and indentation")
        if event.tag:
            self._refuse_tag(event)
        self._frames.append(_Frame(event, self._nodes))

    def _close(self, _event: _Event) -> None:
        frame = self._frames.pop()
        self._put(frame.data, frame.branch, frame.height)
        if frame.anchor:
            nodes = self._nodes - frame.first_node
            self._anchors[frame.anchor] = _Anchor(frame.data, frame.branch, nodes, frame.height)

    def _put(self, value: object, source: Source, height: int = 0) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            remedy = "a declaration says less: check the file, and its aliases"
            self._stop(source.start, f"more than {MAX_NODES} values, with those that aliases repeat", remedy)
        if not self._frames:
            self.data, self.source = value, source
            return
        frame = self._frames[-1]
        if height >= frame.height:
            frame.height = height + 1
        if not frame.keyed:
            frame.branch.values[len(frame.data)] = source
            frame.data.append(value)
            return
        key, frame.key = frame.key, None
        if frame.keep and key is not None:
            frame.data[key] = value
            frame.branch.values[key] = source

    def _alias(self, event: _Event) -> None:
        frame, offset = (self._frames[-1] if self._frames else None), event.start_mark.index
        if frame and frame.keyed and frame.key is None:
            self._stop(offset, "an alias cannot be a key", "write the key out")
        anchor = self._anchors.get(event.anchor or "")
        if anchor is None:
            inside = any(frame.anchor == event.anchor for frame in self._frames)
            what = "refers to itself" if inside else "has no anchor before it"
            value = self._refuse(offset, f"the alias *{event.anchor} {what}", "write the value out")
            self._put(value, range(offset, event.end_mark.index))
            return
        if len(self._frames) + anchor.height > MAX_DEPTH:
            self._stop(offset, f"nested deeper than {MAX_DEPTH} levels by this alias", "write the value out")
        self._nodes += anchor.nodes - 1
        self._put(anchor.data, anchor.source, anchor.height)

    def _refuse_tag(self, event: _Event) -> Unreadable:
        message = f"the tag {show(event.tag or '')} is not supported"
        return self._refuse(event.start_mark.index, message, "leave it out; put text in quotes")

    def _refuse(self, offset: int, message: str, remedy: str) -> Unreadable:
        place = self.text.line_and_column(offset)
        self.problems.append(Problem(*place, key_path(self._path()), message, remedy))
        if len(self.problems) >= MAX_VIOLATIONS:
            raise _StopReadingError
        return UNREADABLE

    def _stop(self, offset: int, message: str, remedy: str) -> NoReturn:
        self._refuse(offset, message, remedy)
        raise _StopReadingError

    def _path(self) -> KeyPath:
        steps = (frame.key if frame.keyed else len(frame.data) for frame in self._frames)
        return tuple(step for step in steps if step is not None)


def _ignore(_event: _Event) -> None:
    """Streams and the ends of documents say nothing."""


def _syntax_problem(error: yaml.MarkedYAMLError, text: Text) -> Problem:
    """Return the parser's complaint as a problem: its own words, its place, and a remedy."""
    mark = error.problem_mark or error.context_mark
    offset = mark.index if mark else 0
    words = [part for part in (error.problem, error.context) if part]
    message = f"this is not valid YAML: {' '.join(words)}"
    line, column = text.line_and_column(offset)
    if error.context_mark and (begun := text.line_and_column(error.context_mark.index)[0]) < line:
        message += f" that begins in line {begun}"
    return Problem(
        line, column, "", message, _syntax_remedy(error.problem or "", text.text[offset : offset + 1])
    )


def _syntax_remedy(problem: str, character: str) -> str:
    if character == "\t" or "tab character" in problem:
        return "indent with spaces, not with a tab"
    return next((remedy for words, remedy in _SYNTAX_REMEDIES if words in problem), _QUOTE)
