"""The table in docs/reference/local.md of what apps read is what an app finds that looks."""

from __future__ import annotations

from docs.app_reads import reads_now
from support.generated import assert_generated


def test_the_table_of_what_apps_read_is_true() -> None:
    """Every thing, by every kind of app: what is written is what an app found."""
    found = reads_now()
    assert_generated("docs/reference/local.md", "reads", found)
    assert "| a token of the Kubernetes API | – | – | – |" in found
    assert "| the token of another running app | – | – | – |" in found
