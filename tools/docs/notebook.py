"""docs/reference/python.md: the cells of a notebook, and what a real kernel shows below them."""

from __future__ import annotations

import importlib
import re
import tempfile
from pathlib import Path
from typing import Any

from flowerbed.local.throwaway import throwaway
from support.local_federation import LIMIT
from support.python_docs import Rows, write_paced

CELLS = (
    'import flowerbed\n\nclient = flowerbed.Federation.load("federation.yaml")\nclient',
    'run = client.submit("my-app", settings={"num-server-rounds": 3})\nrun.wait()',
    "run.rounds  # for instance for pandas.DataFrame",
    '[row["round"] async for row in run]  # each as soon as it is finished',
)


def executed(federation: Path, app: Path) -> list[Any]:
    """Run the cells in a kernel, in the directory above an app; return them with their outputs."""
    nbclient, nbformat = (importlib.import_module(name) for name in ("nbclient", "nbformat"))
    folder = app.parent
    app.rename(folder / "my-app")
    for name in ("federation.yaml", ".flowerbed"):
        (folder / name).symlink_to(federation.with_name(name))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(
        notebook, timeout=int(LIMIT), kernel_name="python3", resources=resources
    ).execute()
    return list(notebook.cells)


def shown(cells: list[Any]) -> str:
    """Return cells with their output, as text: tables row by row, a run's id as RUN."""
    parts = []
    for cell in cells[1:]:  # the first one lists the runs of other tests
        lines = [f">>> {line}" for line in cell.source.splitlines() if line]
        for output in cell.outputs:
            if "text/html" in output.data:
                found = Rows(output.data["text/html"].partition("<svg")[0])
                lines += ["".join(f"{one:20}" for one in row).rstrip() for row in found.rows]
                lines += ["(and the curve of each figure)"]
            else:
                lines += output.data["text/plain"].splitlines()
        parts.append("\n".join(lines))
    text = re.sub(r"\b\d{15,20}\b", "RUN", "\n\n".join(parts))
    return f"```text\n{text}\n```\n"


def notebook_now() -> str:
    """Return the cells with the output of a federation that is started for them."""
    with tempfile.TemporaryDirectory() as name, throwaway(2) as federation:
        return shown(executed(federation.file, write_paced(Path(name))))
