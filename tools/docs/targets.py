"""CONTRIBUTING.md: the targets of make."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from marked import table

ROOT = Path(__file__).resolve().parents[2]


def targets() -> str:
    """Return the targets as a table, in the order of `make help`."""
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^  make (\S+) +(.+)$", listed, flags=re.MULTILINE)
    return table(["target", "what it does"], ([f"`make {target}`", purpose] for target, purpose in found))
