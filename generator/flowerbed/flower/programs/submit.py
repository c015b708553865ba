"""Submit a Flower app to a SuperLink, follow the run, end with its true outcome.

Needs the package around it, the standard library and `flwr`: it runs on a laptop and, mounted as files, on a
plain Flower image. The run's id goes to stdout as soon as it is known; all else goes to stderr.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import NoReturn

from ..console import open_console, say
from ..errors import FlowerbedError
from ..interrupts import ignore_interruptions
from ..options import connection_of, key_of, labels_of, parser, seconds, share
from ..recording import FolderRecord
from ..runs import INTERRUPTED
from ..source.options import request
from ..submission import Order, dry_run, submit


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    arguments = parser((__doc__ or "").partition("\n")[0]).parse_args(argv)
    try:
        connection = None if arguments.dry_run else connection_of(arguments)
        order = Order(
            app=request(arguments.app, vars(arguments), seconds, vars(arguments)),
            config=arguments.config,
            settings=tuple(arguments.settings),
            detach=arguments.detach,
            timeout=seconds(arguments.timeout) if arguments.timeout else None,
            pending_timeout=seconds(arguments.pending_timeout) if arguments.pending_timeout else None,
            unreachable_timeout=seconds(arguments.unreachable_timeout),
            on_interrupt=arguments.on_interrupt,
            min_replies=share(arguments.min_replies, all_of_them=arguments.require_all_replies),
            fix=arguments.fix,
            key=key_of(arguments.key, ci=arguments.ci),
            json=arguments.json,
            outcome=arguments.outcome,
            reload=lambda: connection_of(arguments),
        )
        told = labels_of(arguments)
        if arguments.record:
            record = FolderRecord(
                arguments.record, say, told, ["submit.py", *(sys.argv[1:] if argv is None else argv)]
            )
            order = dataclasses.replace(order, started=record.started, watcher=record)
    except FlowerbedError as error:
        say(f"error: {error}")
        return error.exit_code
    return submit(connection, order) if connection else dry_run(order)


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
