"""Durations as users write them."""

from __future__ import annotations

import re

from .errors import UsageError


def seconds(text: str) -> float:
    """Read a duration such as 90, 90s, 10m or 2h. Raises UsageError."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smh]?)", text)
    if not found:
        raise UsageError(f"{text!r} is not a duration", "write 90, 90s, 10m or 2h")
    return float(found[1]) * {"h": 3600, "m": 60}.get(found[2], 1)
