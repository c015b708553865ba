"""The assertion that a generated part of a page is what was just computed."""

from __future__ import annotations

from generated import GENERATED
from marked import replaced
from support.paths import ROOT


def assert_generated(path: str, part: str, text: str) -> None:
    """Fail unless the part of a page is this text; say what writes it, and the text."""
    (entry,) = [entry for entry in GENERATED if (entry.path, entry.part) == (path, part)]
    page = (ROOT / path).read_text(encoding="utf-8")
    assert page == replaced(page, part, text, entry.by), f"{entry} differs; run {entry.command}\n{text}"
