"""What apps read that belongs to others: the app that looks, and the table of what it found."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

APP = Path(__file__).with_name("reading_app")
STAY = 600.0  # seconds, more than the other run takes: it is stopped then
Found = dict[str, bool]


def other_app(folder: Path) -> Path:
    """Return the same app in another version, whose code is thus another run's."""
    shutil.copytree(APP, folder)
    project = folder / "pyproject.toml"
    project.write_text(project.read_text().replace('version = "1.0.0"', 'version = "1.0.1"'))
    return folder


def read(narration: str) -> dict[str, Found]:
    """Return what each side found, by the node's `place` and `server`, from the run's log."""
    (line,) = re.findall(r"READ (\{.*\})", narration)
    found: dict[str, Any] = json.loads(line)
    return found


def rows(columns: Mapping[str, Found]) -> list[list[str]]:
    """Return one row per thing looked for, with `yes` or `–` for each column."""
    things = next(iter(columns.values()))
    return [[thing, *("yes" if found[thing] else "–" for found in columns.values())] for thing in things]
