"""What every verb shares: its options, where it talks, and how it finds its files.

Results go to stdout, narration and progress to stderr, so that output can be piped.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowerbed.flower.text import write

if TYPE_CHECKING:
    from flowerbed.bundles import GenerateReport
    from flowerbed.plan import Plan

DEFAULT_FILE = Path("federation.yaml")

FileArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="The declaration (default: federation.yaml in this folder)."),
]
FileOption = Annotated[
    Path | None,
    typer.Option("-f", "--file", help="The declaration (default: federation.yaml in this folder)."),
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


def warn_of_images(plan: Plan, file: Path) -> None:
    """Narrate which declared images are not built, or not from what is declared now."""
    if plan.images:
        from flowerbed.images.staleness import stale_images

        for sentence in stale_images(plan, file):
            narrate(f"warning: {sentence}")


def warn_of_troubles(report: GenerateReport) -> None:
    """Narrate every party whose identity cannot be used; all others' bundles were written."""
    for trouble in report.troubles:
        narrate(f"problem: {trouble}")
