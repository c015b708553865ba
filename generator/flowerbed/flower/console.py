"""Standard output, for results, and standard error, for narration; they take any text on every console."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

from .text import write


def open_console() -> None:
    """Let stdout and stderr print any text: what the console's encoding lacks becomes `?`.

    Names of files and what an app logs are anybody's. A stream that was closed (`>&-`) is nowhere.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def answer(line: str) -> None:
    """Print a line of the result; a reader that has gone does not end the following."""
    try:
        write(sys.stdout, f"{line}\n")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(text: str) -> None:
    """Print a line of narration."""
    show(f"{text}\n")


def show(text: str) -> None:
    """Print narration that ends its lines itself, or "" for nothing."""
    with contextlib.suppress(BrokenPipeError):  # nobody reads on; the outcome still counts
        write(sys.stderr, text)
