"""`flowerbed runs`: the list of runs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowerbed.cli.common import DEFAULT_FILE, FileOption, JsonOption, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.cli.records import RecordsOption, records_folder
from flowerbed.cli.runs import (
    ConnectionOption,
    UserOption,
    connector,
    find_connection,
)
from flowerbed.cli.verbs import Verbs
from flowerbed.errors import UsageError

if TYPE_CHECKING:
    from flowerbed.records.listing import Known, Wanted

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


WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="Only runs for which it holds: name=sweep-*, tag=paper, lr=0.1, loss<0.5; repeatable.",
    ),
]
StatusOption = Annotated[
    list[Outcome] | None, typer.Option("--status", help="Only runs with this one; repeatable.")
]
AppOption = Annotated[
    str, typer.Option("--app", metavar="NAME", help="Only runs of this app: NAME or PUBLISHER/NAME.")
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Submitted since: 90m, 2h, 3d, 2w, or 2026-01-31[T08:00]."),
]
RecordedOption = Annotated[bool, typer.Option("--recorded", help="Use the records alone; ask no SuperLink.")]
SortOption = Annotated[
    str | None,
    typer.Option(
        "--sort", metavar="KEY[:max]", help="Sort by it, the smallest first: loss, accuracy:max, lr."
    ),
]
runs = Verbs(invoke_without_command=True, help="List the runs, newest first, or compare some of them.")


@runs.callback()
def list_them(  # noqa: PLR0913, PLR0917  (one parameter an option)
    context: typer.Context,
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    status: StatusOption = None,
    app: AppOption = "",
    since: SinceOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, metavar="N", help="Show so many at most.")] = 20,
    where: WhereOption = None,
    sort: SortOption = None,
    recorded: RecordedOption = False,
    records: RecordsOption = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with all run config and figures.")] = False,
    json: JsonOption = False,
) -> None:
    """List the runs, newest first, or compare some of them.

    Those are the runs of the SuperLink and those that are recorded here. Names, tags and figures come from
    the records; what was set, the SuperLink knows. Without a federation the records alone are listed.
    """
    if context.invoked_subcommand:
        return
    from flowerbed.cli import run_table

    chosen = wanted_runs(status, app, since, where, sort, limit)
    root = records_folder(records, file)
    known = runs_known(root, chosen, file, connection, user, recorded=recorded)
    if json:
        say_json([run_table.as_data(row) for row in known.rows])
    elif csv:
        say(run_table.as_csv(known.rows).removesuffix("\n"))
    elif known.rows:
        key = chosen.order.key if chosen.order else ""
        say(run_table.table(known.rows, known.ids, key, run_table.width_of_terminal()))
    else:
        narrate("no runs yet" if chosen == wanted_runs(limit=limit) else "no such runs")


def wanted_runs(
    status: list[Outcome] | None = None,
    app: str = "",
    since: str | None = None,
    where: list[str] | None = None,
    sort: str | None = None,
    limit: int | None = 20,
) -> Wanted:
    """Return which runs the options name. Raises UsageError."""
    from flowerbed.records.listing import Wanted
    from flowerbed.records.query import condition, order
    from flowerbed.runs import RunFilter

    return Wanted(
        filter=RunFilter(frozenset(map(str, status or ())), app, moment_of(since) if since else None),
        conditions=tuple(map(condition, where or ())),
        order=order(sort) if sort is not None else None,
        limit=limit,
    )


def runs_known(
    root: Path,
    chosen: Wanted,
    file: Path | None,
    connection: Path | None,
    user: str | None,
    *,
    recorded: bool = False,
) -> Known:
    """Return the wanted runs, and narrate where they are from if that is not the SuperLink."""
    from flowerbed.records.listing import known_runs

    connect = None if recorded else connector(file, connection, user)
    if not (recorded or connect) and not root.is_dir():
        find_connection(file, connection, user)  # says what is missing
    known = known_runs(root, chosen, connect)
    if known.away:
        narrate(f"warning: {known.away}; these runs are from the records in {root}")
    elif not (recorded or connect):
        narrate(f"no {DEFAULT_FILE} here; these runs are from the records in {root}")
    elif not recorded and (count := sum(row.recorded for row in known.rows)):
        narrate(f"{count} of them the SuperLink does not know: from the records in {root}")
    if known.damaged:
        narrate(f"warning: {len(known.damaged)} records cannot be read, the first {known.damaged[0]}")
    return known


def moment_of(text: str) -> datetime:
    """Read an age (90m, 2h, 3d, 2w) or a local time in ISO 8601. Raises UsageError."""
    if age := _AGE.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is no time", remedy="write 90m, 2h, 3d, 2w or 2026-01-31T08:00") from None
