"""The tutorials that need no cluster, run as a user would type them: from the first command to the last."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.pages import is_printed
from support.tutorials import INSTALLED, ON_THIS_MACHINE, walk_through

TEN_MINUTES = 600.0  # seconds: what the longest tutorial says that it takes


@pytest.mark.skipif(not INSTALLED, reason="the tutorials use .venv")
@pytest.mark.parametrize("page", ON_THIS_MACHINE, ids=lambda page: page.stem)
def test_a_tutorial(tmp_path: Path, page: Path) -> None:
    """Each command works, each line of output that the page shows is printed, within ten minutes."""
    walk_through(page, tmp_path, os.environ, "flowerbed down", TEN_MINUTES)


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("run 12: completed", True),
        ("round  accuracy", True),
        ("run 12: failed", False),
        ("completed", False),
        ("hospitals: 2 tenants; ...", True),
        ("hospitals: 2 users; ...", False),
    ],
)
def test_output_is_really_compared(line: str, printed: bool) -> None:
    """Another word is not printed; another number and other spaces are the same line."""
    output = "x\nrun 345: completed\n  round accuracy\nhospitals: 3 tenants; 4 nodes, TLS\n"
    assert is_printed(line, output) == printed
