"""`flowerbed runs compare` and `runs label`: runs side by side, and the labels of one, changed later."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
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
from flowerbed.cli.report import plan_of
from flowerbed.cli.run_table import width_of_terminal
from flowerbed.cli.runs import OptionalRuns, RunArgument, connector, find_connection, run_id_of
from flowerbed.cli.verbs import Verbs
from flowerbed.errors import UsageError
from flowerbed.files import write_atomic
from flowerbed.flower.connection import Connection
from flowerbed.flower.flags import flag
from flowerbed.flower.text import printable
from flowerbed.plan import Plan
from flowerbed.runs.model import RunFilter
from flowerbed.runs.records.index import listing
from flowerbed.runs.records.labelling import relabel
from flowerbed.runs.records.query import Known, Order, Wanted, condition, known_runs, order, ordered, row_of
from flowerbed.runs.records.reporting import kept, recorded
from flowerbed.runs.report.comparison import compare
from flowerbed.runs.report.comparison_view import limited, render_comparison, render_comparison_page
from flowerbed.runs.report.model import Report

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


@runs_command.command("compare")
def compare_command(
    wanted: OptionalRuns = None,
    *,
    federation: FederationFlags,
    filters: RunFilters,
    limit: Annotated[
        int | None, typer.Option("--limit", min=2, metavar="N", help="Compare at most N runs (default: all).")
    ] = None,
    recorded: RecordedOption = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE.html", help="Also write an HTML page with overlaid curves."
        ),
    ] = None,
    records: RecordsOption = None,
    json: JsonOption = False,
) -> None:
    """Compare runs: their apps, the differences of their run configs, and their figures.

    Name the runs, or choose them with the filters of `flowerbed runs`. The first table has a line for each
    run; up to 8 runs are shown in detail. Curves and tables by round show the first 8, by --sort.
    """
    chosen, root = wanted_runs(filters, limit), records_folder(records, federation.file)
    where = (federation.file, federation.connection, federation.user)
    if wanted and (filters.choose or limit):
        raise UsageError(
            "both RUNs and filters are given", remedy="use one of the two, with or without --sort"
        )
    if wanted:
        named = list(dict.fromkeys(run_id_of(one, root, *where) for one in wanted))
        ask = None if recorded else lambda: find_connection(*where)
    elif filters.choose or limit:
        known = runs_known(root, chosen, federation, recorded=recorded)
        named = [row.run.run_id for row in known.rows]
        ask = None if recorded or known.away else connector(*where)
    else:
        raise UsageError("no runs to compare", remedy="name 2 or more, or choose them: --where 'tag=paper'")
    if len(named) < 2:
        count = "one run" if named else "no run"
        raise UsageError(f"{count} to compare", remedy="give 2 or more; `flowerbed runs` lists them")
    reports = _reports(root, named, ask, plan_of(federation.file, federation.connection))
    _show(_sorted(reports, chosen.order), chosen.order, output, json=json)


def _show(reports: list[Report], order: Order | None, output: Path | None, *, json: bool) -> None:
    found, first = compare(reports), order.key if order else ""
    if output:
        write_atomic(output, render_comparison_page(found, first).encode())
    if json:
        say_json(found)
    else:
        say(render_comparison(found, first, width_of_terminal()))
    if output:
        if cut := limited(found):
            narrate(cut)
        narrate(f"written: {output.resolve()}")


def _reports(
    root: Path, named: Sequence[str], ask: Callable[[], Connection] | None, plan: Plan | None
) -> list[Report]:
    """Return the runs' reports; without `ask` those of incomplete records as they are."""

    def warn(text: str) -> None:
        narrate(f"warning: {text}")

    def report(run: str) -> Report:
        if ask:
            return recorded(root, run, ask, plan, warn)[0]
        found = kept(root, run)
        if found is None:
            raise UsageError(
                f"there is no record of run {run}", where=str(root), remedy="leave out --recorded"
            )
        return found

    return [report(run) for run in named]


def _sorted(reports: list[Report], order: Order | None) -> list[Report]:
    if order is None:
        return reports
    by_id = {one.run.run_id: one for one in reports}
    return [by_id[row.run.run_id] for row in ordered(map(row_of, reports), order)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelChanges:
    """What becomes of a run's labels."""

    name: str | None = flag("NAME", 'set the name; "" removes it')
    tags: tuple[str, ...] = flag("TAG", "add a tag; repeatable", words=("--tag",), repeatable=True)
    untag: tuple[str, ...] = flag("TAG", "remove a tag; repeatable", repeatable=True)
    note: str | None = flag("TEXT", 'set the note; "" removes it')


@runs_command.command("label")
def label_command(
    run: RunArgument,
    *,
    where: FederationFlags,
    change: LabelChanges,
    records: RecordsOption = None,
    json: JsonOption = False,
) -> None:
    """Change a run's name, tags and note in its record, and print them; without options only print them.

    A run that has no record yet gets one from the SuperLink.
    """
    root = records_folder(records, where.file)
    run_id = run_id_of(run, root, where.file, where.connection, where.user)
    found = relabel(
        root,
        run_id,
        lambda: find_connection(where.file, where.connection, where.user),
        name=change.name,
        add=change.tags,
        remove=change.untag,
        note=change.note,
    )
    name = change.name
    if name and any(one.name == name and one.run.run_id != run_id for one in listing(root).entries):
        narrate(f"warning: another run is named {name!r} too, so that RUN needs the id of either")
    if json:
        say_json({"run_id": run_id, "name": found.name, "tags": found.tags, "note": found.note})
        return
    for title, text in [("name", found.name), ("tags", " ".join(found.tags)), ("note", found.note)]:
        say(printable(f"{title}: {text}".rstrip()))
