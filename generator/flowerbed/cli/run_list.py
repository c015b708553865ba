"""`flowerbed runs`: the list of runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flowerbed.cli import run_table
from flowerbed.cli.common import DEFAULT_FILE, JsonOption, narrate, say
from flowerbed.cli.flags import FederationFlags, flat
from flowerbed.cli.json_results import say_json
from flowerbed.cli.records import RecordsOption, records_folder
from flowerbed.cli.runs import connector, find_connection
from flowerbed.cli.verbs import Verbs
from flowerbed.errors import UsageError
from flowerbed.flower.flags import flag
from flowerbed.runs.model import RunFilter
from flowerbed.runs.records.query import Known, Wanted, condition, known_runs, order

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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilters:
    """Which runs."""

    status: tuple[Outcome, ...] = flag(
        "", "only runs with this status; repeatable", kind=Outcome, repeatable=True
    )
    app: str = flag("NAME", "only runs of this app: NAME or PUBLISHER/NAME", default="")
    since: str | None = flag("TIME", "submitted since: 90m, 2h, 3d, 2w, or 2026-01-31[T08:00]")
    where: tuple[str, ...] = flag(
        "CONDITION",
        "only runs that match: name=sweep-*, tag=paper, lr=0.1, loss<0.5; repeatable",
        repeatable=True,
    )
    sort: str | None = flag("KEY[:max]", "sort by this key, the smallest first: loss, accuracy:max, lr")

    @property
    def choose(self) -> bool:
        """Return whether they choose some of the runs."""
        return any([self.status, self.app, self.since, self.where])


RecordedOption = Annotated[
    bool, typer.Option("--recorded", help="Use only the records; do not query the SuperLink.")
]
runs_command = Verbs(
    invoke_without_command=True, help="List the runs, newest first, or compare some of them."
)


@runs_command.callback()
@flat
def list_them(
    context: typer.Context,
    *,
    federation: FederationFlags,
    filters: RunFilters,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="Show at most this many runs.")
    ] = 20,
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

    chosen = wanted_runs(filters, limit)
    root = records_folder(records, federation.file)
    known = runs_known(root, chosen, federation, recorded=recorded)
    if json:
        say_json([run_table.as_data(row) for row in known.rows])
    elif csv:
        say(run_table.as_csv(known.rows).removesuffix("\n"))
    elif known.rows:
        key = chosen.order.key if chosen.order else ""
        say(run_table.table(known.rows, known.ids, key, run_table.width_of_terminal()))
    else:
        narrate("no runs yet" if chosen == wanted_runs(RunFilters(), limit) else "no such runs")


def wanted_runs(filters: RunFilters, limit: int | None = 20) -> Wanted:
    """Return which runs the options name. Raises UsageError."""
    return Wanted(
        filter=RunFilter(
            frozenset(map(str, filters.status)),
            filters.app,
            moment_of(filters.since) if filters.since else None,
        ),
        conditions=tuple(map(condition, filters.where)),
        order=order(filters.sort) if filters.sort is not None else None,
        limit=limit,
    )


def runs_known(root: Path, chosen: Wanted, federation: FederationFlags, *, recorded: bool = False) -> Known:
    """Return the wanted runs, and narrate where they are from if that is not the SuperLink."""
    where = (federation.file, federation.connection, federation.user)
    connect = None if recorded else connector(*where)
    if not (recorded or connect) and not root.is_dir():
        find_connection(*where)  # says what is missing
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
        raise UsageError(
            f"{text!r} is not a time", remedy="write 90m, 2h, 3d, 2w or 2026-01-31T08:00"
        ) from None
