"""From a file to a checked declaration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from flowerbed.declaration.model import Declaration
from flowerbed.declaration.pod_model import DeclaredParty
from flowerbed.declaration.positions import Text
from flowerbed.declaration.reader import Document, read
from flowerbed.declaration.resolution import merged, resolve
from flowerbed.declaration.rules import chart_values, images, naming, nodes, pods, reach
from flowerbed.declaration.violations import MAX_VIOLATIONS, KeyPath, Violation, key_path
from flowerbed.errors import DeclarationError, Problem
from flowerbed.images.images_lock import built_images
from flowerbed.plan import Plan

MAX_BYTES = 10_000_000
MAX_MARKS = 400_000
"""Line ends and marks of YAML in a file: a declaration of 10,000 tenants has 370,000."""
_MARKS = ("\n", ",", "[", "{", "- ", ": ")
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
# What YAML 1.2 does not allow unescaped (chapter 5.1, "c-printable").
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SAVE = "save the file as UTF-8"
_RULES = (*naming.RULES, *reach.RULES, *nodes.RULES, *pods.RULES, *images.RULES, *chart_values.RULES)


def load(path: Path) -> Declaration:
    """Return the declaration in a file.

    Raises DeclarationError with all its problems, each with its place in the file.
    """
    document = read(text_of(path))
    declaration = _converted(document)
    problems = _every_problem(document) if declaration is None else _placed(document, violations(declaration))
    if len(problems) >= MAX_VIOLATIONS:
        problems.append(Problem(0, 0, "", "too many problems, stopped early", "fix these and check again"))
    if declaration is None or problems:
        raise DeclarationError(str(path), problems)
    return declaration


def load_plan(path: Path) -> Plan:
    """Return the plan of the declaration in a file: `load`, then `resolve` with the images built for it.

    Raises DeclarationError, or UsageError for a damaged images.lock.yaml.
    """
    declaration = load(path)
    return resolve(declaration, built_images(path, declaration.name), _files(path, declaration))


def _files(path: Path, declaration: Declaration) -> dict[str, dict[str, Any]]:
    """Return what the `values-files` of each party say, by tenant (the SuperLink's by "")."""
    parties: list[tuple[str, str, DeclaredParty]] = [("", "superlink", declaration.superlink)]
    parties += [(tenant.name, "supernode", tenant) for tenant in declaration.tenants]
    return {
        name: merged(*(_file(path.parent / file, chart) for file in party.values_files))
        for name, chart, party in parties
        if party.values_files
    }


def _file(path: Path, chart: str) -> dict[str, Any]:
    document = read(text_of(path))
    problems = list(document.problems)
    if not problems and not isinstance(document.data, dict):
        problems = [Problem(1, 1, "", "the file is not a mapping", "write it as the values.yaml of a chart")]
    if not problems:
        problems = _placed(
            document, islice(chart_values.value_violations(chart, document.data), MAX_VIOLATIONS)
        )
    if problems:
        raise DeclarationError(str(path), problems)
    values: dict[str, Any] = document.data
    return values


def check(declaration: Declaration) -> None:
    """Check a declaration that was made in Python, as `load` checks one that was read.

    Raises DeclarationError with all problems; they have key paths and no lines.
    """
    problems = [
        Problem(0, 0, key_path(violation.path), violation.message, violation.remedy)
        for violation in violations(declaration)
    ]
    if problems:
        raise DeclarationError("declaration", problems)


def violations(declaration: Declaration) -> Iterator[Violation]:
    """Yield what does not fit together, up to MAX_VIOLATIONS."""
    return islice(chain.from_iterable(rule(declaration) for rule in _RULES), MAX_VIOLATIONS)


def _converted(document: Document) -> Declaration | None:
    """Return the declaration, if every value has its type; what it says may still not fit together."""
    if document.problems:
        return None
    try:
        return msgspec.convert(document.data, Declaration)
    except msgspec.ValidationError:
        return None


def _every_problem(document: Document) -> list[Problem]:
    """Return what is wrong as YAML, with the types, and with the rest as far as it can be told."""
    if not document.complete:
        return list(document.problems)
    if document.data is None:
        remedy = "write a declaration, or let `flowerbed init` write one to start from"
        return [*document.problems, Problem(1, 1, "", "the file declares nothing", remedy)]
    from flowerbed.declaration.schema import SchemaCheck

    checked = SchemaCheck(document.data, lambda path: document.text.find(document.source, path).raw)
    by_rules = [] if checked.declaration is None else violations(checked.declaration)
    rest = (violation for violation in by_rules if not _relies_on(violation, checked.spoilt))
    return [*document.problems, *_placed(document, [*checked.violations, *rest])]


def _relies_on(violation: Violation, spoilt: set[KeyPath]) -> bool:
    paths = (violation.path, *violation.needs)
    return any(path[:length] in spoilt for path in paths for length in range(len(path) + 1))


def _placed(document: Document, unplaced: Iterable[Violation]) -> list[Problem]:
    return [_problem(document, violation) for violation in unplaced]


def _problem(document: Document, violation: Violation) -> Problem:
    spot = document.text.find(document.source, violation.path, on_key=violation.on_key)
    place = document.text.line_and_column(spot.offset)
    return Problem(*place, key_path(violation.path), violation.message, violation.remedy)


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
