"""`generate`: the declaration as bundles, one folder for each party."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flowerbed.bundles import GenerateReport, generate
from flowerbed.cli.common import FileArgument, FileOption, JsonOption, declaration_file, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.cli.notices import warn_of_images, warn_of_troubles
from flowerbed.declaration import load_plan
from flowerbed.identities.store import Event
from flowerbed.project import Project

# More names than these nobody reads; --json has them all.
NAMES_SHOWN = 12

OutputOption = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        help="Write the bundles to NAME in this directory (default: bundles beside the declaration).",
    ),
]
PruneOption = Annotated[
    bool,
    typer.Option("--prune", help="Remove bundles of parties that are no longer declared, with their keys."),
]


def generate_command(
    file: FileArgument = None,
    option: FileOption = None,
    output: OutputOption = None,
    prune: PruneOption = False,
    json: JsonOption = False,
) -> int:
    """Write each party's bundle: keys, certificates, values and instructions; valid ones are kept.

    Certificates of the gateway and of users are renewed in the last third of their lifetime. The exit code is
    1 if a party's keys or certificates cannot be used; everything else is written. With --json: the names of
    all files, grouped by what happened to them.
    """
    path = declaration_file(file, option)
    plan = load_plan(path)
    folder = output / plan.name if output else Project(path).bundles(plan.name)
    warn_of_images(plan, path)
    report = generate(plan, folder, prune=prune, tell=_tell)
    warn_of_troubles(report)
    if json:
        say_json({"folder": str(folder)} | asdict(report) | {"hand_out": report.hand_out})
    else:
        for line in _lines(folder, report):
            say(line)
    return 1 if report.troubles else 0


def _tell(event: Event) -> None:
    # What was made for the first time is among the files that the report names.
    if event.kind != "made":
        narrate(str(event))


def _lines(folder: Path, report: GenerateReport) -> Iterator[str]:
    happened = {
        "created": report.created,
        "updated": report.updated,
        "removed": report.removed,
        "unchanged": report.unchanged,
    }
    yield f"{folder}: {', '.join(f'{len(names)} {word}' for word, names in happened.items())}"
    for word in ("created", "updated", "removed"):
        names = happened[word]
        yield from (f"  {word} {name}{_note(name, report)}" for name in names[:NAMES_SHOWN])
        if len(names) > NAMES_SHOWN:
            yield f"  {word} {len(names) - NAMES_SHOWN} more; --json names them all"
    yield from (f"  hand {folder} to the user" for folder in report.hand_out[:NAMES_SHOWN])
    yield from (f"  left {left.folder}: {left.reason}" for left in report.left)


def _note(name: str, report: GenerateReport) -> str:
    return " (private keys)" if name in report.removed_keys else ""
