"""docs/reference/outcomes.md: what is seen of a run, for each way that it can end."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from marked import table
from support.outcome_expected import EXPECTED
from support.outcome_rows import tried
from support.outcome_trials import Seen


def outcomes(seen: Mapping[str, Seen]) -> str:
    """Return what was seen, as a table."""
    rows = []
    for name in EXPECTED:
        one = seen[name]
        says = f"`{one.word or one.status}`{f': {cell(one.details)}' if one.details else ''}"
        rows.append(
            [name, says, one.replies or "–", one.figures or "–", str(one.exit_code), cell(one.reason)]
        )
    heads = ["what happens", "the SuperLink says", "replies", "figures", "exit code", "`reason`"]
    return table(heads, rows)


def cell(text: str) -> str:
    """Return text as it may stand in a table."""
    return text.strip().replace("|", "\\|").replace("\n", "<br>") or "–"


def outcomes_now() -> str:
    """Try every way and return the table."""
    with tempfile.TemporaryDirectory() as name, tried(Path(name)) as seen:
        return outcomes(seen)
