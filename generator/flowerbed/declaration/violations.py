"""What the checks report at key paths: a violation is a problem without its position in the text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]
"""A key path as its steps: `("tenants", 1, "nodes")` for `tenants[1].nodes`."""

MAX_VIOLATIONS = 10_000
"""After so many, looking stops: nobody reads them all, and the file should be refused at once."""
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Violation:
    """Something wrong at a key path, and what to write instead.

    `on_key`: the key is meant, not its value. `needs`: further paths that the violation relies on; it is
    dropped when one of them is wrong itself.
    """

    path: KeyPath
    message: str
    remedy: str
    on_key: bool = False
    needs: tuple[KeyPath, ...] = ()


def show(text: str) -> str:
    """Return text for a message: in quotes, on one line, harmless for a terminal, and not too long."""
    short = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return json.dumps(short, ensure_ascii=not short.isprintable())


def key_path(path: KeyPath) -> str:
    """Return a path as it is written for people: `tenants[1].config."batch size"`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            word = step if _PLAIN_KEY.fullmatch(step) and len(step) <= _SHOWN else show(step)
            text += f".{word}" if text else word
    return text
