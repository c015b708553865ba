"""What every verb shares: its options, where it talks, and how it finds its files.

Results go to stdout, narration and progress to stderr, so that output can be piped.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from flowerbed.flower.text import write

DEFAULT_FILE = Path("federation.yaml")

FileArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]", help="Path of the declaration (default: federation.yaml in this directory)."
    ),
]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "-f", "--file", help="Path of the declaration (default: federation.yaml in this directory)."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def declaration_file(argument: Path | None, option: Path | None = None) -> Path:
    """Return the declaration that a verb was given, by position or by `-f`, else the one in this folder."""
    if argument and option and argument != option:
        raise typer.BadParameter(f"two declarations given: {argument} and {option}")
    return argument or option or DEFAULT_FILE


def say(text: str = "") -> None:
    """Print a result."""
    write(sys.stdout, f"{text}\n")


def narrate(text: str) -> None:
    """Print narration or progress."""
    write(sys.stderr, f"{text}\n")
