"""`report`: what became of a run, as a table and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowerbed.cli.common import FileOption, JsonOption, declaration_file, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.cli.records import RecordsOption, records_folder
from flowerbed.cli.runs import ConnectionOption, RunArgument, UserOption, find_connection, run_id_of
from flowerbed.declaration import load_plan
from flowerbed.files import write_atomic
from flowerbed.plan import Plan
from flowerbed.runs.records.reporting import recorded
from flowerbed.runs.report.page import render_page
from flowerbed.runs.report.text import render_text


def report_command(
    run: RunArgument,
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE.html", help="Also write an HTML page with curves."),
    ] = None,
    records: RecordsOption = None,
    json: JsonOption = False,
) -> None:
    """Show the rounds of a run and the nodes that took part; -o writes one HTML file.

    A run with a complete record needs no SuperLink; otherwise the record is completed first.
    """
    root = records_folder(records, file)
    found, log = recorded(
        root,
        run_id_of(run, root, file, connection, user),
        lambda: find_connection(file, connection, user),
        plan_of(file, connection),
        lambda text: narrate(f"warning: {text}"),
    )
    if output:
        write_atomic(output, render_page(found, log).encode())
    if json:
        say_json(found)
    else:
        say(render_text(found))
    if output:
        narrate(f"written: {output.resolve()}")


def plan_of(file: Path | None, connection: Path | None) -> Plan | None:
    """Return the plan, which knows the nodes' tenants; none where no declaration is at hand."""
    declaration = declaration_file(file)
    return load_plan(declaration) if file or (not connection and declaration.exists()) else None
