"""The words that no text for users has, and the texts: pages, help, messages, values, charts, INSTALL.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.import_graph import package_modules
from support.paths import CHARTS, PACKAGE, ROOT

# What is wrong, by the words that are right.
FORBIDDEN = {
    "permanently": r"\bfor good\b",
    "differs from": r"\banother than\b",
    "report, print, log, say": r"\b(?:tells?|told|telling)\b",
    "wait for, tolerate, keep retrying": r"\b(?:bears?|bore|bearing)\b",
    "unauthorized client, unknown": r"\bstrangers?\b",
    "a subject, as in `if you`": r"(?:^|[.:;!?] +)(?:Who|Whoever|Whose) (?!(?:may|can) .*\?)[a-z]",
    "is not a": r"(?<!there )\b(?:is|are|was) no (?!longer\b|more\b)[a-z]+",
    "exists, is, is in": r"\b(?:lies|lay|stands|stood)\b",
    "continues": r"\b(?:go|goes|going|went|gone) on\b(?! to\b)",
    "correct, fix; here, in the bundles": r"\bputs? right\b|\bat hand\b",
    "directory": r"(?<= )[Ff]olders?\b|\b[Ff]olders?(?= )",
    "American spelling": r"(?i)\b\w*(?:behaviour|colour|favour|licence|initialis|authoris|organis|recognis"
    r"|serialis|labelled|labelling|cancelled|cancelling)\w*\b",
}
CODE = re.compile(r"`[^`\n]*`")


@dataclass(frozen=True, order=True)
class Text:
    """A line or a message that a user reads, and where it is: a path, and a line counted from 1."""

    place: str
    text: str


def found(texts: Iterator[Text]) -> list[str]:
    """Return each forbidden word with its place and what is right; code between backticks is left out."""
    return sorted(
        {
            f"{text.place}: {match[0].strip()!r}: write: {right}: {text.text.strip()[:160]}"
            for text in texts
            for right, pattern in FORBIDDEN.items()
            for match in re.finditer(pattern, CODE.sub("``", text.text), re.MULTILINE)
        }
    )


def lines(files: list[Path]) -> Iterator[Text]:
    """Yield the lines of files."""
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            yield Text(f"{file.relative_to(ROOT)}:{number}", line)


def pages() -> list[Path]:
    """Return the pages of the documentation, and those that it brings in from elsewhere."""
    patterns = ("*.md", "docs/**/*.md", "charts/**/*.md", "values/**/*.md", "examples/**/*.md", "bench/*.md")
    return sorted({file for pattern in patterns for file in ROOT.glob(pattern)} - {ROOT / "CHANGELOG.md"})


def values() -> list[Path]:
    """Return the charts' values, whose comments users read."""
    return sorted(CHARTS.glob("*/values.yaml"))


def templates() -> list[Path]:
    """Return the charts' templates: NOTES.txt, refusals and warnings, and comments."""
    files = [*CHARTS.glob("*/templates/**/*"), *CHARTS.glob("_common/**/*")]
    return sorted(file for file in files if file.is_file())


def instructions() -> list[Path]:
    """Return the templates of what each party gets: INSTALL.md, and values with comments."""
    return sorted((PACKAGE / "values" / "templates").glob("*.j2"))


def messages() -> Iterator[Text]:
    """Yield each string of the package that is no docstring: the messages, hints and help are among them."""
    for module in package_modules():
        tree = ast.parse(module.path.read_text(encoding="utf-8"))
        alone = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
                for line in node.value.splitlines():
                    yield Text(f"{module.path.relative_to(ROOT)}:{node.lineno}", line)
