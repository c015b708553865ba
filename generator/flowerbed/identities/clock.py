"""The time, at one place."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Return the time in UTC, in whole seconds, which is what a certificate can hold."""
    return datetime.now(UTC).replace(microsecond=0)
