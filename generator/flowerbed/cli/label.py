"""`flowerbed runs label`: name, tags and note of a run, changed after it was submitted."""

from __future__ import annotations

from typing import Annotated

import typer

from flowerbed.cli.common import FileOption, JsonOption, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.cli.records import RecordsOption, records_folder
from flowerbed.cli.runs import ConnectionOption, RunArgument, UserOption, find_connection, run_id_of
from flowerbed.flower.text import printable


def label(  # noqa: PLR0913, PLR0917  (one parameter an option)
    run: RunArgument,
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help='Set the name; "" removes it.')
    ] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="Add a tag; repeatable.")
    ] = None,
    untag: Annotated[
        list[str] | None, typer.Option("--untag", metavar="TAG", help="Remove a tag; repeatable.")
    ] = None,
    note: Annotated[
        str | None, typer.Option("--note", metavar="TEXT", help='Set the note; "" removes it.')
    ] = None,
    records: RecordsOption = None,
    json: JsonOption = False,
) -> None:
    """Change a run's name, tags and note in its record, and print them; without options only print them.

    A run that has no record yet gets one from the SuperLink.
    """
    from flowerbed.records.index import listing
    from flowerbed.records.labelling import relabel

    root = records_folder(records, file)
    run_id = run_id_of(run, root, file, connection, user)
    found = relabel(
        root,
        run_id,
        lambda: find_connection(file, connection, user),
        name=name,
        add=tags or (),
        remove=untag or (),
        note=note,
    )
    if name and any(one.name == name and one.run.run_id != run_id for one in listing(root).entries):
        narrate(f"warning: another run is named {name!r} too, so that RUN needs the id of either")
    if json:
        say_json({"run_id": run_id, "name": found.name, "tags": found.tags, "note": found.note})
        return
    for title, text in [("name", found.name), ("tags", " ".join(found.tags)), ("note", found.note)]:
        say(printable(f"{title}: {text}".rstrip()))
