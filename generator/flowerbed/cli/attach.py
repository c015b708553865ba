"""`flowerbed attach`: follow a run that was started before, exactly as `submit` does."""

from __future__ import annotations

from flowerbed.cli.common import FileOption
from flowerbed.cli.runs import ConnectionOption, RunArgument, UserOption, find_connection
from flowerbed.cli.submit import (
    InterruptOption,
    OutcomeJsonOption,
    OutcomeOption,
    RepliesOption,
    TimeoutOption,
    UnreachableOption,
)


def attach(  # noqa: PLR0913, PLR0917  (one parameter an option)
    run: RunArgument,
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    timeout: TimeoutOption = None,
    unreachable_timeout: UnreachableOption = "5m",
    on_interrupt: InterruptOption = "ask",
    require_all_replies: RepliesOption = False,
    json: OutcomeJsonOption = False,
    outcome: OutcomeOption = None,
) -> int:
    """Follow a run that was started before, its log from the beginning, and end with its outcome."""
    from flowerbed.runs import run_number, translated
    from flowerbed.scripts import flower_run
    from flowerbed.scripts import submit as script
    from flowerbed.scripts.flower_interruptions import ignore_interruptions

    with translated():
        order = script.Order(
            app="",
            timeout=script.seconds(timeout) if timeout else None,
            unreachable_timeout=script.seconds(unreachable_timeout),
            on_interrupt=on_interrupt,
            require_all_replies=require_all_replies,
            json=json,
            outcome=outcome,
        )
        where = find_connection(file, connection, user)
    code = script.attach(where, run_number(run), order)
    if code == flower_run.INTERRUPTED:
        ignore_interruptions()
    return code
