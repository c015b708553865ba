"""A run followed from Python: progress, an event loop, a notebook's kernel, errors in Python's words.

`PYTHONPATH=tests:tools python tests/local/test_python_following.py` runs the cells of a notebook and writes
them into docs/python.md.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

import flowerbed
from flowerbed.local import Federation
from flowerbed.local.throwaway import throwaway
from flowerbed.runs.metrics import Number
from marked import replaced
from support.local_federation import LIMIT
from support.paths import writing
from support.python_docs import APP, DOCUMENT, PYPROJECT, Rows

PACED = (
    APP.replace("import json\n", "import json\nimport time\n", 1)
    .replace("    told = {", "        time.sleep(context.run_config['pause'])\n    told = {", 1)
    .replace('"<b>": number', '"loss": 0.5**number', 1)
)
CELLS = (
    'import flowerbed\n\nclient = flowerbed.Federation.load("federation.yaml")\nclient',
    'run = client.submit("my-app", settings={"num-server-rounds": 3})\nrun.wait()',
    "run.rounds  # for instance for pandas.DataFrame",
    '[row["round"] async for row in run]  # each as soon as it is finished',
)


def write(above: Path) -> Path:
    """Write the app into a directory `told`; it pauses after each round."""
    folder = above / "told"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PYPROJECT + "pause = 0.0\n")
    (folder / "told.py").write_text(PACED)
    return folder


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """Return an app that prints the metrics of its rounds, with a pause after each."""
    return write(tmp_path)


@pytest.fixture
def client(hospitals: Federation, tmp_path: Path) -> flowerbed.Federation:
    found = flowerbed.Federation.load(hospitals.file, "sam")
    return flowerbed.Federation(found.connection, found.plan, tmp_path / "runs")


def test_a_run_in_an_event_loop(client: flowerbed.Federation, app: Path) -> None:
    """Each round arrives when it is finished while other tasks run; then the outcome can be awaited."""

    async def follow() -> tuple[list[dict[str, Number]], int, int, str]:
        run = client.submit(app, settings={"num-server-rounds": 3, "pause": 2.0})
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.05)
                ticks += 1

        beside = asyncio.create_task(tick())
        rows, first = [], 0
        async for row in run:
            rows.append(row)
            first = first or ticks
        beside.cancel()
        return rows, first, ticks, (await run).status

    rows, first, ticks, status = asyncio.run(follow())
    assert [row["round"] for row in rows] == [1, 2, 3]
    assert [row["server.accuracy"] for row in rows] == [0.5, 0.75, 0.875]
    assert 0 < first < ticks
    assert status == "completed"


def test_a_cancelled_task_ends_the_following_alone(client: flowerbed.Federation, app: Path) -> None:
    """The thread ends soon, and the run continues."""

    async def follow() -> flowerbed.Run:
        run = client.submit(app, settings={"num-server-rounds": 100, "pause": 1.0})
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run, 3.0)
        return run

    begin = time.monotonic()
    run = asyncio.run(follow())  # it waits for its threads
    assert time.monotonic() - begin < LIMIT / 2
    assert run.record.sub_status == ""
    assert run.stop()


def test_progress_without_a_terminal(
    client: flowerbed.Federation, app: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Lines on stderr say where the run is, if they are wanted."""
    run = client.submit(app)
    assert run.wait().exit_code == 0
    assert capfd.readouterr().err == ""
    assert client.submit(app, settings={"pause": 2.0}).wait(progress=True).exit_code == 0
    assert "is running" in capfd.readouterr().err


def test_errors_speak_python(client: flowerbed.Federation, app: Path) -> None:
    """They name arguments of `submit`, not command-line options; fix= submits a corrected app."""
    with pytest.raises(flowerbed.FlowerbedError) as caught:
        client.submit(app, settings={"lr": 0.5, "pause": "no"})
    assert "--" not in str(caught.value)
    assert 'settings={"lr": 0.5}' in str(caught.value)
    pyproject = app / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace('name = "told"', 'name = "To_ld"'))
    with pytest.raises(flowerbed.FlowerbedError, match="fix=True"):
        client.submit(app)
    with pytest.warns(UserWarning, match="corrected copy") as warned:
        run = client.submit(app, fix=True)
    assert {one.filename for one in warned} == {__file__}
    assert run.wait().exit_code == 0
    assert repr(client) == f"<Federation hospitals at {client.connection.address}>"


def executed(federation: Path, app: Path) -> list[Any]:
    """Run the cells in a kernel, in the directory above an app; return them with their outputs."""
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


def test_a_notebook(hospitals: Federation, app: Path) -> None:
    """In a real kernel the cell that waits shows a table with curves; the docs have the same output."""
    cells = executed(hospitals.file, app)
    load, wait, rows, rounds = (cell.outputs for cell in cells)
    assert "Federation at" in load[-1].data["text/html"]
    assert "<svg" in wait[0].data["text/html"]
    assert "status='completed'" in wait[-1].data["text/plain"]
    assert "'server.accuracy': 0.875" in rows[-1].data["text/plain"]
    assert rounds[-1].data["text/plain"] == "[1, 2, 3]"
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == replaced(text, "notebook", shown(cells)), writing(__file__)


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


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name, throwaway(2) as federation:
        made = write(Path(name))
        page = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(
            replaced(page, "notebook", shown(executed(federation.file, made))), encoding="utf-8"
        )
