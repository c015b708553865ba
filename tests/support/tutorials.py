"""The tutorials of docs/, run as a user would type them: from the first command to the last."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from support.pages import DOCS, commands, is_printed, shown_output
from support.paths import ROOT

_TUTORIALS = sorted(page for page in (DOCS / "tutorials").glob("*.md") if page.name != "index.md")
ON_A_CLUSTER = [page for page in _TUTORIALS if "kubectl " in commands(page)]
ON_THIS_MACHINE = [page for page in _TUTORIALS if page not in ON_A_CLUSTER]
INSTALLED = (ROOT / ".venv" / "bin" / "flowerbed").is_file()  # every tutorial begins with `make setup`


def namespaces(page: Path) -> set[str]:
    """Return the namespaces that a tutorial declares."""
    return set(re.findall(r"\bnamespace: ([a-z-]+)", commands(page)))


def walk_through(page: Path, home: Path, environment: Mapping[str, str], last: str, limit: float) -> None:
    """Run every command of a tutorial, in `home` as the home directory and within `limit` seconds.

    `last` is its last command, which removes what the others began. Raises AssertionError with the output if
    a command fails, or if a line of output that the page shows is not printed.
    """
    text = commands(page)
    assert text.startswith("make setup\n")
    assert text.endswith(f"{last}\n")
    script = home / "tutorial.sh"
    script.write_text(f"trap '{last} >/dev/null 2>&1 || true' EXIT\n{text}")
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", str(script)],
        cwd=ROOT,
        env={**environment, "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    shown = shown_output(page)
    assert shown
    missing = [line for line in shown if not is_printed(line, done.stdout)]
    assert missing == [], done.stdout
