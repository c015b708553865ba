"""The time, and what it means for certificates: when a new one begins, and when an old one is renewed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flowerbed.plan import Plan

SKEW = timedelta(minutes=5)
"""How far in the past a certificate begins, for clocks that are behind."""
# Nothing renews a CA: every party would have to be handed its certificate again. So it lives long.
AUTHORITY_DAYS = 3650


def now() -> datetime:
    """Return the time in UTC, in whole seconds, which is what a certificate can hold."""
    return datetime.now(UTC).replace(microsecond=0)


def beginning() -> datetime:
    """Return when a certificate that is issued now begins (UTC)."""
    return now() - SKEW


def renewal_reason(plan: Plan, end: datetime, next_end: datetime) -> str:
    """Return why a certificate that ends at `end` is renewed for its age, "" where it is not.

    One that is made now ends at `next_end`: close to the CA's end that is no later, and nothing is renewed.
    """
    today = now()
    if today < end - timedelta(hours=plan.superlink.tls.renew_hours) or next_end <= end:
        return ""
    return f"the last one {'expired' if today > end else 'ends'} on {end:%Y-%m-%d}"


def authority_notice(plan: Plan) -> timedelta:
    """Return how long before its end a CA is reported: from then on it shortens what it signs."""
    return timedelta(days=min(plan.superlink.tls.days, AUTHORITY_DAYS // 3))
