"""The command line of `submit.py`: its flags, and what their values mean."""

from __future__ import annotations

import argparse
import dataclasses
import re
from pathlib import Path

from .connection import Connection
from .errors import UsageError
from .labels import NAME_HELP, NOTE_HELP, TAG_HELP, Labels, labels
from .source.options import APP_HELP, add_to

EPILOG = """exit codes: 0 completed, 1 failed, 2 wrong usage or app, 3 unreachable or not allowed, 4 stopped,
5 timed out (the run goes on), 130 interrupted"""


def seconds(text: str) -> float:
    """Read a duration such as 90, 90s, 10m or 2h. Raises UsageError."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smh]?)", text)
    if not found:
        raise UsageError(f"{text!r} is not a duration", "write 90, 90s, 10m or 2h")
    return float(found[1]) * {"h": 3600, "m": 60}.get(found[2], 1)


def share(text: str | None, *, all_of_them: bool = False) -> float:
    """Read the share of good replies that a run needs, as of `--min-replies`. Raises UsageError."""
    if all_of_them:
        return 1.0
    if text is None:
        return 0.0
    if not re.fullmatch(r"0?\.[0-9]{1,9}|[01](?:\.0{1,9})?", text):
        raise UsageError(f"--min-replies {text} is not a share", "write a number from 0 to 1, such as 0.8")
    return float(text)


def key_of(key: str | None, *, ci: bool) -> str | None:
    """Return the key of a submission: `--key`, or with `--ci` an empty one. Raises UsageError."""
    if key == "":
        raise UsageError("--key needs a name", "--ci takes app, run config and user alone for the key")
    return "" if ci and key is None else key


def parser(description: str) -> argparse.ArgumentParser:
    """Return the parser of `submit.py`'s command line."""
    made = argparse.ArgumentParser(description=description, epilog=EPILOG)
    add = made.add_argument
    add("app", nargs="?", metavar="APP", help=APP_HELP)
    add_to(add)
    add("--connection", type=Path, metavar="FILE", help="connection.toml; the flags below override it")
    add("--address", metavar="HOST:PORT", help="the SuperLink's control address")
    add("--root-certificates", type=Path, metavar="FILE", help="CA to trust (default: the system's)")
    add("--client-certificate", type=Path, metavar="FILE", help="your certificate (PEM)")
    add("--client-key", type=Path, metavar="FILE", help="its key (PEM, not encrypted)")
    add("--insecure", action="store_true", default=None, help="plain HTTP")
    add("--federation", metavar="NAME", help="default: the SuperLink's only one")
    add(
        "--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="override run config"
    )
    add("--config", type=Path, metavar="FILE", help="TOML file that overrides run config")
    add("--detach", action="store_true", help="end when the run is started")
    add("--timeout", metavar="TIME", help="stop following after so long (90, 90s, 10m, 2h); the run goes on")
    add("--pending-timeout", metavar="TIME", help="the same for a run whose ServerApp nobody starts")
    add(
        "--unreachable-timeout",
        default="5m",
        metavar="TIME",
        help="how long to bear with an absent SuperLink",
    )
    add(
        "--on-interrupt",
        choices=["ask", "leave", "stop"],
        default="ask",
        help="what becomes of the run then; ask: leave it, unless a terminal's user says stop (default)",
    )
    add(
        "--min-replies",
        metavar="SHARE",
        help="exit code 1 if a phase of a round has a smaller share of good replies, such as 0.8",
    )
    add("--require-all-replies", action="store_true", help="the same as --min-replies 1")
    add("--key", metavar="NAME", help="attach to the run that this key has started, if there is one")
    add("--ci", action="store_true", help="the same without a name: one run of this app, config and user")
    add("--json", action="store_true", help="print the outcome as the last line on stdout")
    add("--outcome", type=Path, metavar="FILE", help="write the outcome as JSON to a file")
    add("--record", type=Path, metavar="FOLDER", help="keep a record of the run in FOLDER/RUN")
    add("--name", metavar="NAME", help=f"with --record: {NAME_HELP}")
    add("--tag", dest="tags", action="append", default=[], metavar="TAG", help=f"with --record: {TAG_HELP}")
    add("--note", metavar="TEXT", help=f"with --record: {NOTE_HELP}")
    return made


def labels_of(arguments: argparse.Namespace) -> Labels:
    """Return the labels that a command line gives the run. Raises UsageError."""
    found = labels(arguments.name, arguments.tags, arguments.note)
    if found != Labels() and not arguments.record:
        raise UsageError(
            "--name, --tag and --note are kept in the run's record", "give --record FOLDER as well"
        )
    return found


def connection_of(arguments: argparse.Namespace) -> Connection:
    """Return the connection that a command line names. Raises UsageError."""
    names = [field.name for field in dataclasses.fields(Connection) if field.name != "file"]
    given = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    if arguments.connection:
        return dataclasses.replace(Connection.load(arguments.connection), **given)
    if "address" not in given:
        raise UsageError("where to?", "give --connection FILE or --address HOST:PORT")
    return Connection(**given)
