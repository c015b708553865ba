"""What the YAML parser complains about, with what to do."""

from __future__ import annotations

import yaml

from flowerbed.declaration.places import Text
from flowerbed.errors import Problem

# By a part of libyaml's own words (libyaml 0.2.5).
_REMEDIES = (
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


def syntax_problem(error: yaml.MarkedYAMLError, text: Text) -> Problem:
    """Return the parser's complaint as a problem: its own words, its place, and a remedy."""
    mark = error.problem_mark or error.context_mark
    offset = mark.index if mark else 0
    words = [part for part in (error.problem, error.context) if part]
    message = f"this is not valid YAML: {' '.join(words)}"
    line, column = text.line_and_column(offset)
    if error.context_mark and (begun := text.line_and_column(error.context_mark.index)[0]) < line:
        message += f" that begins in line {begun}"
    return Problem(line, column, "", message, _remedy(error.problem or "", text.text[offset : offset + 1]))


def _remedy(problem: str, character: str) -> str:
    if character == "\t" or "tab character" in problem:
        return "indent with spaces, not with a tab"
    return next((remedy for words, remedy in _REMEDIES if words in problem), _QUOTE)
