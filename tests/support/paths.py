"""Where the repository and its parts lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
CHARTS = ROOT / "charts"
PACKAGE = ROOT / "generator" / "flowerbed"


def writing(test: str) -> str:
    """Return what to run to have a test's generated text written anew; `test` is its `__file__`."""
    return f"run: PYTHONPATH=tests:tools python {Path(test).relative_to(ROOT)}"
