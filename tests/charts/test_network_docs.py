"""The table of connections in docs/reference/access.md is what the charts' NetworkPolicies come to."""

from __future__ import annotations

from docs.connections import connections
from support.generated import assert_generated


def test_the_table_of_connections_is_true() -> None:
    """Every allowed connection is written, and no other."""
    found = connections()
    assert_generated("docs/reference/access.md", "connections", found)
    assert "| supernode supernode | superlink superlink | 9092/TCP | always |" in found
    assert "stranger" not in found
    assert "elsewhere" not in found
