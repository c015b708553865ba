"""`flowerbed runs label`: name, tags and note of a run, changed after it was submitted."""

from __future__ import annotations

from dataclasses import dataclass

from flowerbed.cli.common import JsonOption, narrate, say
from flowerbed.cli.flags import FederationFlags
from flowerbed.cli.json_results import say_json
from flowerbed.cli.records import RecordsOption, records_folder
from flowerbed.cli.runs import RunArgument, find_connection, run_id_of
from flowerbed.flower.flags import flag
from flowerbed.flower.text import printable
from flowerbed.runs.records.index import listing
from flowerbed.runs.records.labelling import relabel


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelChanges:
    """What becomes of a run's labels."""

    name: str | None = flag("NAME", 'set the name; "" removes it')
    tags: tuple[str, ...] = flag("TAG", "add a tag; repeatable", words=("--tag",), repeatable=True)
    untag: tuple[str, ...] = flag("TAG", "remove a tag; repeatable", repeatable=True)
    note: str | None = flag("TEXT", 'set the note; "" removes it')


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
