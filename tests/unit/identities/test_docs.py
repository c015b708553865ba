"""docs/explanation/identities.md says what the code says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from flowerbed import files, identities
from flowerbed.identities.store import EventKind
from support.paths import ROOT

DOCUMENT = (ROOT / "docs" / "explanation" / "identities.md").read_text()
SOURCES = sorted(Path(identities.__file__).parent.glob("*.py"))


def test_the_document_lists_every_event() -> None:
    """The table of events in docs/explanation/identities.md holds each kind, once."""
    table = DOCUMENT.split("## What `generate` says")[1].split("## ")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    assert sorted("".join(rows).replace("`", " ").replace(",", " ").split()) == sorted(get_args(EventKind))


def test_the_document_quotes_messages_as_they_are() -> None:
    """Every message that identities.md explains stands in the code, between its variable parts."""
    texts = [path.read_text() for path in (*SOURCES, Path(files.__file__))]
    code = re.sub(r'"\s*\n\s*f?"', "", "\n".join(texts))
    code = re.sub(r"\{[^{}]*\}", "…", code)
    table = DOCUMENT.split("## What is refused")[1]
    messages = [
        m
        for row in table.splitlines()
        if row.startswith("| `")
        for m in re.findall("`([^`]*)`", row.split("|")[1])
    ]
    assert len(messages) > 14
    for message in messages:
        for part in re.split(r" ?(?:…|DATE|FILE|\bX\b|\bY\b) ?", message):
            assert part in code, f"{part!r} of {message!r} is said nowhere"
