"""Every error that Flowerbed raises on purpose.

    FlowerbedError                 what, where, what to do; `exit_code` 1 unless said otherwise
    ├── UsageError            (2)  a command, a connection or an app is wrong
    ├── DeclarationError      (2)  federation.yaml: all its problems at once
    ├── UnreadableError       (1)  a file cannot be read, or is none
    ├── IdentityError         (2)  a key or certificate is expired, half there or does not match
    ├── UnreachableError      (3)  nobody answers at the address, or TLS failed
    ├── RefusedError          (3)  an answer came, and it was no: NotAllowedError, NotFoundError (2)
    └── LocalError            (1)  the local federation: a part crashed, a port is taken, nothing runs

The command line catches `FlowerbedError` once, prints `str(error)` and ends with its `exit_code`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flowerbed.flower.errors import (
    FlowerbedError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
    UnreachableError,
    UsageError,
)

__all__ = [
    "DeclarationError",
    "FlowerbedError",
    "IdentityError",
    "LocalError",
    "NotAllowedError",
    "NotFoundError",
    "Problem",
    "RefusedError",
    "UnreachableError",
    "UnreadableError",
    "UsageError",
]


class UnreadableError(FlowerbedError):
    """A file cannot be read, or something else than a plain file lies there."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong in a file: `line` and `column` count from 1, 0 where unknown."""

    line: int
    column: int
    key_path: str
    message: str
    remedy: str = ""

    def render(self, file: str) -> str:
        """Return `file:line:column: key.path: message` with the remedy on a line of its own."""
        place = f"{file}:{self.line}:{self.column}" if self.line else file
        head = f"{place}: {self.key_path}: {self.message}" if self.key_path else f"{place}: {self.message}"
        return f"{head}\n    {self.remedy}" if self.remedy else head


class DeclarationError(FlowerbedError):
    """The declaration is refused; `problems` holds every reason, in the order of the file."""

    exit_code = 2
    shown = 50
    """How many problems the message spells out: who has thousands corrects the first ones first."""

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.file = file
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(problem.render(file) for problem in self.problems[: self.shown]))

    def __str__(self) -> str:
        count = len(self.problems)
        first = f", the first {self.shown} are shown" if count > self.shown else ""
        return f"{self.what}\n{count} problem{'s' if count != 1 else ''} in {self.file}{first}"


class IdentityError(FlowerbedError):
    """A key or certificate is expired, half there, or does not match its other half."""

    exit_code = 2


class LocalError(FlowerbedError):
    """The local federation cannot start, or a part of it ended."""
