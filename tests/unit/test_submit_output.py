"""What the submit program prints where nobody sees colours."""

from __future__ import annotations

import sys

import pytest

from flowerbed.scripts import submit

COLOURED = "\x1b[92mINFO \x1b[0m:      [ROUND 1/3]\n"


@pytest.mark.parametrize(
    ("terminal", "expected"),
    [(True, COLOURED), (False, "INFO :      [ROUND 1/3]\n")],
    ids=["terminal", "file"],
)
def test_flowers_colours_reach_terminals_only(
    terminal: bool, expected: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that goes to a file or a pipe carries no escape sequences."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    submit._write(COLOURED)
    assert capsys.readouterr().err == expected
