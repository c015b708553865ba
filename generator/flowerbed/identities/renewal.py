"""When certificates are renewed: in the last part of their life, which the declaration gives."""

from __future__ import annotations

from datetime import datetime, timedelta

from flowerbed.identities import clock
from flowerbed.plan import Plan

# Nothing renews a CA: every party would have to be handed its certificate again. So it lives long.
AUTHORITY_DAYS = 3650


def due(plan: Plan, end: datetime, next_end: datetime) -> str:
    """Return why a certificate that ends at `end` is renewed for its age, "" where it is not.

    One that is made now ends at `next_end`: close to the CA's end that is no later, and nothing is renewed.
    """
    now = clock.now()
    if now < end - timedelta(hours=plan.superlink.tls.renew_hours) or next_end <= end:
        return ""
    return f"the last one {'expired' if now > end else 'ends'} on {end:%Y-%m-%d}"


def authority_notice(plan: Plan) -> timedelta:
    """Return how long before its end a CA is reported: from then on it shortens what it signs."""
    return timedelta(days=min(plan.superlink.tls.days, AUTHORITY_DAYS // 3))
