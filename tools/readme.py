"""Write README's table of make targets from `make help`, or check it for drift (`--check`)."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from marked import replaced, table

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"


def main(arguments: list[str]) -> int:
    """Write or check the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if README would change")
    check = parser.parse_args(arguments).check
    text = README.read_text(encoding="utf-8")
    wanted = replaced(text, "targets", targets())
    if wanted == text:
        return 0
    if check:
        print("README.md: the table of targets is out of date; run `make generated`")
        return 1
    README.write_text(wanted, encoding="utf-8")
    return 0


def targets() -> str:
    """Return the targets as a table, in the order of `make help`."""
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^  make (\S+) +(.+)$", listed, flags=re.MULTILINE)
    return table(["target", "what it does"], ([f"`make {target}`", purpose] for target, purpose in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
