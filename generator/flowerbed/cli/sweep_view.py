"""What is shown of a sweep: where its runs are, while it goes on; a table and the best run at the end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from flowerbed.cli.common import say
from flowerbed.cli.run_table import elapsed, width_of_terminal
from flowerbed.flower.text import printable
from flowerbed.runs.records.query import Order, Row, figure, ordered, row_of, values
from flowerbed.runs.records.reporting import kept
from flowerbed.runs.report.comparison import compare, labels
from flowerbed.runs.report.figures import number
from flowerbed.runs.report.model import Report
from flowerbed.runs.report.overview import render_overview
from flowerbed.runs.sweeps.queue import Queue
from flowerbed.runs.sweeps.state import Sweep

SHOWN = 8  # unfinished runs


@contextmanager
def watched(sweep: Sweep, queue: Queue, *, plain: bool) -> Iterator[None]:
    """Show on a terminal where the runs are, below what is printed meanwhile; elsewhere nothing."""
    if plain or not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield
        return

    def lines() -> Text:
        return Text("\n".join(where(sweep, queue)), no_wrap=True, overflow="ellipsis")

    with Live(
        console=Console(stderr=True),
        get_renderable=lines,
        refresh_per_second=2,
        redirect_stdout=sys.stdout.isatty(),
        transient=True,
    ):
        yield


def where(sweep: Sweep, queue: Queue) -> list[str]:
    """Return a line on the whole sweep with a clock, and one for each run that has not ended."""
    going, left = queue.going, len(queue.waiting)
    done = len(sweep.points) - len(going) - left
    clock = elapsed(time.monotonic() - queue.began)
    lines = [
        f"{sweep.name}: {done} of {len(sweep.points)} done, {len(going)} under way, {left} to come, {clock}"
    ]
    for point in going[:SHOWN]:
        status = f"{point.status or 'submitted':9} {elapsed(queue.seconds(point)):>6}"
        lines.append(f"  {point.name}  {status}  {printable(', '.join(point.settings))}")
    return lines


def results(root: Path, sweep: Sweep, best: Order | None) -> tuple[list[Report], Row | None]:
    """Return the reports of the runs that have a record, the best first, and the best completed run."""
    found = [report for point in sweep.points if point.run_id and (report := kept(root, point.run_id))]
    rows = [row_of(report) for report in found]
    good = {point.run_id for point in sweep.points if point.exit_code == 0}
    if best is None or not any(values(row, best.key) for row in rows):
        return found, None
    rows = ordered(rows, best)
    by_id = {report.run.run_id: report for report in found}
    first = next((row for row in rows if row.run.run_id in good and _is_number(figure(row, best.key))), None)
    return [by_id[row.run.run_id] for row in rows], first


def _is_number(found: tuple[str, Any, int] | None) -> bool:
    return found is not None and found[1] == found[1]  # NaN is not equal to itself


def show(sweep: Sweep, reports: list[Report], first: Row | None, best: Order | None) -> None:
    """Print the table of results and the best run."""
    width = width_of_terminal()
    if reports:
        names = labels(reports) if width else [one.run.run_id for one in reports]
        say(render_overview(compare(reports), names, best.key if best else "", width))
    if best is None:
        return
    found = figure(first, best.key) if first else None
    if first is None or found is None:
        say(f"best: no completed run has {printable(best.key)}")
        return
    settings = next(point.settings for point in sweep.points if point.run_id == first.run.run_id)
    what = f"{found[0]} {number(found[1])} in round {found[2]}"
    say(printable(f"best: {first.name} ({', '.join(settings)}): {what}"))


def as_data(sweep: Sweep, reports: list[Report], first: Row | None, code: int) -> dict[str, object]:
    """Return a sweep for programs, its runs in the order of the grid."""
    rows = {report.run.run_id: row_of(report) for report in reports}

    def figures(run_id: str) -> dict[str, object]:
        found = rows[run_id].figures if run_id in rows else {}
        return {key: {"value": value, "round": at} for key, (value, at) in found.items()}

    return {
        "sweep": sweep.name,
        "exit_code": code,
        "best": first.run.run_id if first else None,
        "runs": [
            {
                "name": point.name,
                "run_id": point.run_id,
                "settings": point.settings,
                "status": point.status or ("not-started" if not point.run_id else "pending"),
                "reason": point.reason,
                "exit_code": point.exit_code,
                "figures": figures(point.run_id),
            }
            for point in sweep.points
        ],
    }
