"""Submit a Flower app to a SuperLink, follow the run, and exit with its outcome.

Needs the package around it, the standard library and `flwr`: it runs on a laptop and, mounted as files, on a
plain Flower image. The run's id goes to stdout as soon as it is known; all else goes to stderr.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ..connection import Connection
from ..console import open_console, say
from ..dry_run import dry_run
from ..errors import FlowerbedError, UsageError
from ..flags import taken
from ..interrupts import ignore_interruptions
from ..labels import Labels
from ..options import ConnectionFlags, FollowFlags, LabelFlags, StartFlags, parser
from ..recording import FolderRecord
from ..runs import INTERRUPTED
from ..source.options import SourceFlags
from ..submission import Reporting, SubmitOptions, submit


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    given = parser((__doc__ or "").partition("\n")[0]).parse_args(argv)
    source, start = taken(SourceFlags, vars(given)), taken(StartFlags, vars(given))
    where, follow = taken(ConnectionFlags, vars(given)), taken(FollowFlags, vars(given))
    try:
        connection = None if source.dry_run else connection_of(given.connection, where)
        what = SubmitOptions(
            app=source.request(given.app, start.config, start.settings),
            config=start.config,
            settings=start.settings,
            key=start.run_key(),
            fix=source.fix,
            detach=start.detach,
        )
        how = follow.options()
        reporting = Reporting(json=follow.json, outcome=follow.outcome)
        labels = labels_of(taken(LabelFlags, vars(given)), given.record)
        if given.record:
            record = FolderRecord(
                given.record, say, labels, ["submit.py", *(sys.argv[1:] if argv is None else argv)]
            )
            reporting = dataclasses.replace(reporting, started=record.started, watcher=record)
    except FlowerbedError as error:
        say(f"error: {error}")
        return error.exit_code
    if connection is None:
        return dry_run(what, as_json=follow.json)
    return submit(connection, what, how, reporting, lambda: connection_of(given.connection, where))


def connection_of(file: Path | None, where: ConnectionFlags) -> Connection:
    """Return the connection that a file and flags name. Raises UsageError."""
    given = where.overrides()
    if file:
        return dataclasses.replace(Connection.load(file), **given)
    if "address" not in given:
        raise UsageError("where to?", "give --connection FILE or --address HOST:PORT")
    return Connection(**given)


def labels_of(flags: LabelFlags, record: Path | None) -> Labels:
    """Return the labels of a run, which its record keeps. Raises UsageError."""
    found = flags.labels()
    if found != Labels() and not record:
        raise UsageError("--name, --tag and --note are kept in the run's record", "give --record DIR as well")
    return found


def main() -> NoReturn:
    """Run this process's command line."""
    open_console()
    try:
        code = run()
    except Exception as error:  # the last net: a defect is told without a traceback
        say(f"error: {type(error).__name__}: {error}")
        code = 1
    if code == INTERRUPTED:
        ignore_interruptions()
    sys.exit(code)


if __name__ == "__main__":
    main()
