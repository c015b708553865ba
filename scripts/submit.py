#!/usr/bin/env python3
"""Submit a Flower app to a SuperLink, follow the run, and exit with its outcome: `submit.py --help`.

It needs this clone and `flwr`, nothing else: the program is `generator/flowerbed/flower/programs/submit.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "generator"))

from flowerbed.flower.programs.submit import main

if __name__ == "__main__":
    main()
