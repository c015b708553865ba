"""Files whose text is computed: which of them differ on disk, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

Texts = Mapping[Path, str | None]  # None: this file must not exist


def differing(texts: Texts) -> list[Path]:
    """Return the files that are not on disk as they should be."""

    def differs(file: Path, text: str | None) -> bool:
        return file.exists() if text is None else not file.exists() or file.read_text("utf-8") != text

    return [file for file, text in texts.items() if differs(file, text)]


def write(texts: Texts) -> list[Path]:
    """Write or remove the files that differ, and return them."""
    changed = differing(texts)
    for file in changed:
        text = texts[file]
        if text is None:
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return changed
