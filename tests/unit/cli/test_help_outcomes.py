"""The help of what decides on a run's outcome, and the exit codes that the documentation lists."""

from __future__ import annotations

import re

import pytest

from flowerbed.cli import main
from flowerbed.flower import runs as flower_runs
from support.paths import ROOT

PAGE = ROOT / "docs" / "reference" / "outcomes.md"


@pytest.mark.parametrize("verb", ["submit", "attach"])
def test_a_share_of_replies_names_its_exit_code(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Who requires replies learns from the help what happens without them."""
    assert main.run([verb, "--help"]) == 0
    text = " ".join(re.sub(r"[│|]", " ", capsys.readouterr().out).split())
    assert "Exit code 1 if a phase of a round has a smaller share of good replies" in text


def test_every_exit_code_is_documented() -> None:
    """The table has those of the code, with 2 for wrong usage, and no other."""
    codes = {value for name, value in vars(flower_runs).items() if name.isupper() and type(value) is int}
    codes -= {flower_runs.NO_RUN, flower_runs.RUN_FINISHED}
    rows = re.findall(r"^\| (\d+) \| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(map(int, rows)) == codes | {2}
