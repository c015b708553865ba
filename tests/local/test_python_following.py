"""A run followed from Python: progress, an event loop, a notebook's kernel, errors in Python's words."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

import flowerbed
from docs.notebook import executed, shown
from flowerbed.flower.figures import Number
from flowerbed.local import Federation
from support.generated import assert_generated
from support.local_federation import LIMIT
from support.python_docs import write_paced


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """Return an app that prints the metrics of its rounds, with a pause after each."""
    return write_paced(tmp_path)


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


def test_a_notebook(hospitals: Federation, app: Path) -> None:
    """In a real kernel the cell that waits shows a table with curves; the docs have the same output."""
    cells = executed(hospitals.file, app)
    load, wait, rows, rounds = (cell.outputs for cell in cells)
    assert "Federation at" in load[-1].data["text/html"]
    assert "<svg" in wait[0].data["text/html"]
    assert "status='completed'" in wait[-1].data["text/plain"]
    assert "'server.accuracy': 0.875" in rows[-1].data["text/plain"]
    assert rounds[-1].data["text/plain"] == "[1, 2, 3]"
    assert_generated("docs/reference/python.md", "notebook", shown(cells))
