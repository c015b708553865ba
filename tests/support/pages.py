"""The pages of docs/, and the commands and the output that they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from support.paths import ROOT

DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(page: Path) -> str:
    """Return all commands of a page, in their order, as one script."""
    return "".join(_blocks(page, "sh"))


def shown_output(page: Path) -> list[str]:
    """Return the lines of output that a page shows."""
    return [line for block in _blocks(page, "text") for line in block.splitlines()]


def is_printed(line: str, output: str) -> bool:
    """Return whether output has a line: numbers and spaces may differ, `...` is any text."""
    pattern = re.escape(" ".join(line.split()))
    pattern = re.sub(r"[0-9]+(?:\\\.[0-9]+)*", lambda _: r"[0-9]+(?:\.[0-9]+)*", pattern)
    pattern = pattern.replace(r"\.\.\.", ".*").replace(r"\ ", " +")
    return re.search(rf"^ *{pattern} *$", output, re.MULTILINE) is not None


def _blocks(page: Path, language: str) -> Iterator[str]:
    for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if found[1] == language:
            yield found[2]
