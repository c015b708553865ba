"""The options that label a run; their texts are those of `flower/labels.py`."""

from __future__ import annotations

from typing import Annotated

import typer

from flowerbed.flower.labels import NAME_HELP, NOTE_HELP, TAG_HELP

NameOption = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help=f"{NAME_HELP[0].upper()}{NAME_HELP[1:]}.")
]
TagOption = Annotated[
    list[str] | None, typer.Option("--tag", metavar="TAG", help=f"{TAG_HELP[0].upper()}{TAG_HELP[1:]}.")
]
NoteOption = Annotated[
    str | None, typer.Option("--note", metavar="TEXT", help=f"{NOTE_HELP[0].upper()}{NOTE_HELP[1:]}.")
]
