"""The charts as if they were of an earlier version."""

from __future__ import annotations

import shutil
from pathlib import Path

from parties import CHARTS

EARLIER = "0.0.9"


def earlier_charts(folder: Path) -> Path:
    """Write charts that differ from today's in what their pods run, and by one object; return the folder.

    So an upgrade from them replaces pods and adds an object, and a rollback takes both back. What it cannot
    show is a change of Flower's own version, or of names.
    """
    for chart, program in (("superlink", "gateway.sh"), ("supernode", "observer.py")):
        shutil.copytree(CHARTS / chart, folder / chart)
        described = folder / chart / "Chart.yaml"
        text = described.read_text(encoding="utf-8")
        version = next(line for line in text.splitlines() if line.startswith("version:"))
        described.write_text(text.replace(version, f"version: {EARLIER}"), encoding="utf-8")
        with (folder / chart / "files" / program).open("a", encoding="utf-8") as file:
            file.write("# earlier\n")
    (folder / "supernode" / "templates" / "poddisruptionbudget.yaml").unlink()
    return folder
