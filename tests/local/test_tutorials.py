"""The tutorials that need no cluster, run as a user would type them: from the first command to the last."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from support.pages import DOCS, commands, is_printed, shown_output
from support.paths import ROOT

TEN_MINUTES = 600.0  # seconds: what the longest tutorial says that it takes
TUTORIALS = [page for page in (DOCS / "tutorials").glob("*.md") if page.name != "index.md"]


@pytest.mark.skipif(not (ROOT / ".venv" / "bin" / "flowerbed").is_file(), reason="the tutorials use .venv")
@pytest.mark.parametrize("name", sorted(page.stem for page in TUTORIALS))
def test_a_tutorial(tmp_path: Path, name: str) -> None:
    """Each command works, each line of output that the page shows is printed, within ten minutes."""
    page = DOCS / "tutorials" / f"{name}.md"
    script = tmp_path / "tutorial.sh"
    script.write_text(f"trap 'flowerbed down >/dev/null 2>&1 || true' EXIT\n{commands(page)}")
    assert commands(page).startswith("make setup\n")
    assert commands(page).endswith("flowerbed down\n")
    done = subprocess.run(
        ["bash", "-eu", str(script)],
        cwd=ROOT,
        env={**os.environ, "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TEN_MINUTES,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert shown_output(page)
    assert [line for line in shown_output(page) if not is_printed(line, done.stdout)] == []


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
