"""`report`: what became of a run, as a table and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowerbed.cli.common import FileOption, JsonOption, declaration_file, narrate, say, say_json
from flowerbed.cli.runs import ConnectionOption, RunArgument, UserOption, find_connection

if TYPE_CHECKING:
    from flowerbed.plan import Plan


def report(  # noqa: PLR0913, PLR0917  (one parameter an option)
    run: RunArgument,
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE.html", help="Also write a page with curves."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show the rounds of a run and who took part; -o writes them as one HTML file."""
    from flowerbed import runs as known
    from flowerbed.files import write_atomic
    from flowerbed.report import build, render_page, render_text

    where = find_connection(file, connection, user)
    record, log = known.run_and_log(where, run)
    found = build(record, log, known.list_nodes(where), _plan(file, connection))
    if output:
        write_atomic(output, render_page(found, log).encode())
    if json:
        say_json(found)
    else:
        say(render_text(found))
    if output:
        narrate(f"written: {output.resolve()}")


def _plan(file: Path | None, connection: Path | None) -> Plan | None:
    """Return the plan, which knows the nodes' tenants; none for a federation elsewhere."""
    from flowerbed.declaration import load_plan

    return None if connection and not file else load_plan(declaration_file(file))
