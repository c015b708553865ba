"""From a file to a checked declaration."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from flowerbed.declaration.findings import MAX_FINDINGS, Finding, KeyPath, key_path
from flowerbed.declaration.model import Declaration
from flowerbed.declaration.read_text import text_of
from flowerbed.declaration.reader import Document, read
from flowerbed.declaration.resolution import resolve
from flowerbed.declaration.rules import findings
from flowerbed.errors import DeclarationError, Problem
from flowerbed.images.images_lock import built_images
from flowerbed.plan import Plan


def load(path: Path) -> Declaration:
    """Return the declaration in a file.

    Raises DeclarationError with all its problems, each with its place in the file.
    """
    document = read(text_of(path))
    declaration = _converted(document)
    problems = _every_problem(document) if declaration is None else _placed(document, findings(declaration))
    if len(problems) >= MAX_FINDINGS:
        problems.append(Problem(0, 0, "", "looking ended early", "correct what is listed, then check again"))
    if declaration is None or problems:
        raise DeclarationError(str(path), problems)
    return declaration


def load_plan(path: Path) -> Plan:
    """Return the plan of the declaration in a file: `load`, then `resolve` with the images built for it.

    Raises DeclarationError, or UsageError for a damaged images.lock.yaml.
    """
    declaration = load(path)
    return resolve(declaration, built_images(path, declaration.name))


def check(declaration: Declaration) -> None:
    """Check a declaration that was made in Python, as `load` checks one that was read.

    Raises DeclarationError with all problems; they have key paths and no lines.
    """
    problems = [
        Problem(0, 0, key_path(finding.path), finding.message, finding.remedy)
        for finding in findings(declaration)
    ]
    if problems:
        raise DeclarationError("declaration", problems)


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
    from flowerbed.declaration.schema_check import SchemaCheck

    checked = SchemaCheck(document.data, lambda path: document.text.find(document.source, path).raw)
    by_rules = [] if checked.declaration is None else findings(checked.declaration)
    rest = (finding for finding in by_rules if not _relies_on(finding, checked.spoilt))
    return [*document.problems, *_placed(document, [*checked.findings, *rest])]


def _relies_on(finding: Finding, spoilt: set[KeyPath]) -> bool:
    paths = (finding.path, *finding.needs)
    return any(path[:length] in spoilt for path in paths for length in range(len(path) + 1))


def _placed(document: Document, unplaced: Iterable[Finding]) -> list[Problem]:
    return [_problem(document, finding) for finding in unplaced]


def _problem(document: Document, finding: Finding) -> Problem:
    spot = document.text.find(document.source, finding.path, on_key=finding.on_key)
    place = document.text.line_and_column(spot.offset)
    return Problem(*place, key_path(finding.path), finding.message, finding.remedy)
