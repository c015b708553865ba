"""`flowerbed`: the verbs, gathered; errors become one message and an exit code here and nowhere else."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from typing import Annotated, NoReturn, TextIO

import click
import typer

from flowerbed import __version__
from flowerbed.cli.common import narrate
from flowerbed.cli.verbs import OPTIONS, Catalog, Verbs
from flowerbed.errors import FlowerbedError
from flowerbed.flower.console import open_console

INTERRUPTED = 130
# Objects between two collections: what is imported at the start stays, and searching it is 4 % of the start.
COLLECT_AFTER = 100_000

app = Verbs(
    name="flowerbed",
    cls=Catalog,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 done, 1 failed, 2 wrong input, 3 unreachable or not allowed, 4 stopped, 5 timed out, "
        "130 interrupted."
    ),
)


def _print_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"flowerbed {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[  # noqa: ARG001  (typer acts on it before this body runs)
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show a traceback on failure.")] = False,
) -> None:
    """Deploy and run Flower federations on Kubernetes, or as processes on this machine."""
    if verbose:
        os.environ["FLOWERBED_VERBOSE"] = "1"


def run(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code; every error has been printed."""
    try:
        result = app(args=arguments, prog_name="flowerbed", standalone_mode=False)
    except Exception as error:
        return _report(error)
    except KeyboardInterrupt:
        return _failed("interrupted", INTERRUPTED)
    return result if isinstance(result, int) else 0


def _report(error: Exception) -> int:
    """Say what went wrong, in one place for every verb, and return the exit code."""
    match error:
        case FlowerbedError():
            return _failed(str(error), error.exit_code)
        case click.ClickException():
            return _misused(error)
        case click.exceptions.Abort():
            return _failed("interrupted", INTERRUPTED)
        case BrokenPipeError():
            return _broken_pipe()
        case OSError():
            return _failed(f"{error.filename}: {error.strerror}" if error.filename else str(error), 1)
        case _:
            return _failed(f"{type(error).__name__}: {error}\n  this is a defect; --verbose shows where", 1)


def _misused(error: click.ClickException) -> int:
    name = error.option_name if isinstance(error, click.NoSuchOption) else ""
    if name in OPTIONS:
        return _failed(f"there is no option {name}\n  {OPTIONS[name]}", 2)
    error.show()
    return 2


def _failed(message: str, code: int) -> int:
    if os.environ.get("FLOWERBED_VERBOSE"):
        traceback.print_exc()
    try:
        narrate(f"error: {message}")
    except BrokenPipeError:  # the code counts, read or not
        _unread(sys.stderr)
    return code


def _broken_pipe() -> int:
    _unread(sys.stdout)
    return 1


def _unread(stream: TextIO) -> None:
    """Lead a stream that has no reader any more elsewhere: the interpreter would complain of it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def main() -> NoReturn:
    """Run the command line of this process."""
    gc.set_threshold(COLLECT_AFTER)
    open_console()
    sys.exit(run())
