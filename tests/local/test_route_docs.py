"""The table of routes in docs/reference/access.md is what a real gateway answers."""

from __future__ import annotations

from docs.routes import routes
from flowerbed.local import Federation
from support.generated import assert_generated


def test_the_table_of_routes_is_true(hospitals: Federation) -> None:
    """Every route, every role, every listener: what is written is what is answered."""
    found = routes(hospitals)
    assert_generated("docs/reference/access.md", "routes", found)
    assert "| `/v1/control/start-run` | – | 403 | yes | yes | 404 | 404 | 404 |" in found
