"""`flowerbed runs`: the list of runs, and several of them compared."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowerbed.cli.common import FileOption, JsonOption, narrate, say, say_json
from flowerbed.cli.records import RecordsOption, records_folder
from flowerbed.cli.report import plan_of
from flowerbed.cli.runs import ConnectionOption, UserOption, find_connection
from flowerbed.errors import UsageError

if TYPE_CHECKING:
    from flowerbed.runs import RunRecord

_AGE = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Outcome(StrEnum):
    """Where a run is, or how it ended."""

    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"


runs = typer.Typer(invoke_without_command=True, help="List the runs, newest first, or compare some of them.")


@runs.callback()
def list_them(  # noqa: PLR0913, PLR0917  (one parameter an option)
    context: typer.Context,
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    status: Annotated[
        list[Outcome] | None, typer.Option("--status", help="Only runs with this one; repeatable.")
    ] = None,
    app: Annotated[
        str, typer.Option("--app", metavar="NAME", help="Only runs of this app: NAME or PUBLISHER/NAME.")
    ] = "",
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="TIME", help="Submitted since: 90m, 2h, 3d, 2w, or 2026-01-31[T08:00]."
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Show so many at most.")] = 20,
    json: JsonOption = False,
) -> None:
    """List the runs, newest first, or compare some of them."""
    if context.invoked_subcommand:
        return
    from flowerbed.runs import RunFilter, find_runs

    wanted = RunFilter(frozenset(map(str, status or ())), app, moment_of(since) if since else None)
    records = find_runs(find_connection(file, connection, user), wanted, limit)
    if json:
        say_json(records)
    elif records:
        say(_table([("RUN", "APP", "STATUS", "ELAPSED", "SUBMITTED"), *map(_row, records)]))
    else:
        narrate("no runs yet" if wanted == RunFilter() else "no such runs")


@runs.command()
def compare(  # noqa: PLR0913, PLR0917  (one parameter an option)
    wanted: Annotated[
        list[str], typer.Argument(metavar="RUN RUN...", help="Two runs or more, by their ids.")
    ],
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE.html", help="Also write a page with overlaid curves."),
    ] = None,
    records: RecordsOption = None,
    json: JsonOption = False,
) -> None:
    """Compare runs: what they are, how their run configs differ, what they reached."""
    from flowerbed.files import write_atomic
    from flowerbed.records import recorded
    from flowerbed.report.compare import RUN_LIMIT, compare, render_comparison, render_comparison_page

    named = list(dict.fromkeys(wanted))
    if not 1 < len(named) <= RUN_LIMIT:
        raise UsageError(f"{len(named)} different runs given", remedy=f"give 2 to {RUN_LIMIT}")
    root, plan = records_folder(records, file), plan_of(file, connection)

    def warn(text: str) -> None:
        narrate(f"warning: {text}")

    found = compare(
        recorded(root, run, lambda: find_connection(file, connection, user), plan, warn)[0] for run in named
    )
    if output:
        write_atomic(output, render_comparison_page(found).encode())
    if json:
        say_json(found)
    else:
        say(render_comparison(found))
    if output:
        narrate(f"written: {output.resolve()}")


def moment_of(text: str) -> datetime:
    """Read an age (90m, 2h, 3d, 2w) or a local time in ISO 8601. Raises UsageError."""
    if age := _AGE.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is no time", remedy="write 90m, 2h, 3d, 2w or 2026-01-31T08:00") from None


def _row(run: RunRecord) -> tuple[str, ...]:
    submitted = datetime.fromisoformat(run.pending_at).astimezone()
    app = f"{run.fab_id} {run.fab_version}"
    return (run.run_id, app, run.outcome, _elapsed(run), f"{submitted:%Y-%m-%d %H:%M:%S}")


def _elapsed(run: RunRecord) -> str:
    """Return how long a run has run, as minutes and seconds; "-" before it runs."""
    if not run.running_at:
        return "-"
    end = datetime.fromisoformat(run.finished_at) if run.finished_at else datetime.now(UTC)
    minutes, seconds = divmod(int((end - datetime.fromisoformat(run.running_at)).total_seconds()), 60)
    return f"{minutes}:{seconds:02}"


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
