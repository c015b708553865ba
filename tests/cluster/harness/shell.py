"""Running programs of the machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .cache import HarnessError


def run(*command: str | Path, stdin: str | None = None, check: bool = True) -> str:
    """Run a program and return its output; raise HarnessError with its words if it fails."""
    words = [str(part) for part in command]
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise HarnessError(
            f"`{' '.join(words)[:300]}` failed ({done.returncode}): "
            f"{(done.stderr or done.stdout).strip()[-1500:]}"
        )
    return done.stdout
