"""A release as Helm tells of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from flowerbed.cluster.release import Release


@pytest.mark.parametrize(("offset", "hours"), [("+0000 UTC", 0), ("+0200 CEST", 2), ("-0730 X", -7.5)])
def test_a_releases_age_is_read_in_its_zone(offset: str, hours: float) -> None:
    """Helm writes local time with the zone's offset."""
    there = datetime.now(UTC) + timedelta(hours=hours, seconds=-100)
    updated = f"{there:%Y-%m-%d %H:%M:%S}.123456789 {offset}"
    facts = {
        "name": "a",
        "namespace": "a",
        "revision": "1",
        "status": "deployed",
        "chart": "a-1",
        "app_version": "",
    }
    assert 95 < Release(**facts, updated=updated).age < 110
    assert Release(**facts, updated="unknown").age == float("inf")
