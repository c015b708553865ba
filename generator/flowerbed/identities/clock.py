"""The time, at one place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SKEW = timedelta(minutes=5)
"""How far in the past a certificate begins, for clocks that are behind."""


def now() -> datetime:
    """Return the time in UTC, in whole seconds, which is what a certificate can hold."""
    return datetime.now(UTC).replace(microsecond=0)


def beginning() -> datetime:
    """Return when a certificate that is issued now begins (UTC)."""
    return now() - SKEW
