"""Time `bundles.generate` inside its process: what is imported on first use counts, the rest of it does not.

    python bench/inside.py DECLARATION FOLDER

Prints seconds.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def main(declaration: Path, folder: Path) -> None:
    """Read the declaration, then generate and print what that took."""
    from flowerbed.declaration import load_plan

    plan = load_plan(declaration)
    started = time.perf_counter()
    from flowerbed.bundles import generate

    generate(plan, folder / plan.name)
    print(f"{time.perf_counter() - started:.6f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
