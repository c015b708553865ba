"""What an unquoted word of YAML means here.

YAML 1.1 and 1.2 read some words differently: `no` is false or text, `012` is ten or twelve, `1:30` is ninety
or text, a date is a date or text. Helm, PyYAML and editors disagree about them as well. Such a word is
refused, with what to write instead; every other word means what all of them agree on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

INT64 = range(-(2**63), 2**63)

_WORDS: dict[str, bool | None] = {
    form: value
    for word, value in (("true", True), ("false", False), ("null", None))
    for form in (word, word.capitalize(), word.upper())
} | {"": None, "~": None}
_SWITCHES = {
    form: value
    for word, value in (("yes", "true"), ("on", "true"), ("no", "false"), ("off", "false"))
    for form in (word, word.capitalize(), word.upper())
}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_UNDERSCORES = re.compile(r"[-+]?(?=[^_]*_)(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?")
_AMBIGUOUS = (
    (re.compile(r"[-+]?0[0-9_]+"), "a number with a leading zero, which some programs read as octal"),
    (re.compile(r"[-+]?0[xob][0-9a-fA-F_]+"), "a number that is not decimal"),
    (_UNDERSCORES, "a number with underscores, or text"),
    (re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"), "a number in base 60, or text"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?"), "a date, or text"),
)
_FIRST = frozenset("-+.0123456789")


@dataclass(frozen=True, slots=True)
class RefusedScalar:
    """A word that must not be taken at its face: why, and what to write instead."""

    message: str
    remedy: str


Meaning = str | int | float | bool | RefusedScalar | None


def meaning(word: str) -> Meaning:
    """Return what the unquoted `word` means, or the RefusedScalar that it is."""
    if word in _WORDS:
        return _WORDS[word]
    if word[0] in _FIRST:
        return _number(word)
    if word in _SWITCHES:
        value = _SWITCHES[word]
        return RefusedScalar(
            f"`{word}` is {value} to some programs and text to others", f'write "{word}" or {value}'
        )
    return word


def _number(word: str) -> str | int | float | RefusedScalar:
    if _INT.fullmatch(word):
        # Longer than any 64-bit number; converting it could take very long.
        value = int(word) if len(word) <= 20 else INT64.stop
        return (
            value
            if value in INT64
            else RefusedScalar("the number does not fit into 64 bits", "put it in quotes")
        )
    for pattern, what in _AMBIGUOUS:
        if pattern.fullmatch(word):
            return RefusedScalar(
                f"it is not clear what this is: {what}", "put text in quotes; write numbers in decimal"
            )
    if _FLOAT.fullmatch(word):
        number = float(word)
        return number if abs(number) != float("inf") else _infinite()
    return _infinite() if _INFINITE.fullmatch(word) else word


def _infinite() -> RefusedScalar:
    return RefusedScalar("the number is not finite", "write a finite number, or text in quotes")
