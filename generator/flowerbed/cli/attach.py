"""`flowerbed attach`: follow a run that was started before, exactly as `submit` does."""

from __future__ import annotations

from flowerbed.cli.common import FileOption
from flowerbed.cli.records import Keeper, RecordsOption, records_folder
from flowerbed.cli.runs import ConnectionOption, RunArgument, UserOption, connection_reader, run_id_of
from flowerbed.cli.submit import (
    InterruptOption,
    MinRepliesOption,
    OutcomeJsonOption,
    OutcomeOption,
    PendingOption,
    PlainOption,
    RepliesOption,
    TimeoutOption,
    UnreachableOption,
)
from flowerbed.errors import UsageError


def attach(  # noqa: PLR0913, PLR0917  (one parameter an option)
    run: RunArgument,
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    timeout: TimeoutOption = None,
    pending_timeout: PendingOption = None,
    unreachable_timeout: UnreachableOption = "5m",
    on_interrupt: InterruptOption = "ask",
    min_replies: MinRepliesOption = None,
    require_all_replies: RepliesOption = False,
    json: OutcomeJsonOption = False,
    outcome: OutcomeOption = None,
    records: RecordsOption = None,
    plain: PlainOption = False,
) -> int:
    """Follow a run that was started before, with its log, and end with its outcome and its record.

    Of a run with a complete record the same is printed from that, without a SuperLink.
    """
    from dataclasses import replace
    from functools import partial

    from flowerbed.flower import runs as flower_runs
    from flowerbed.flower import submission
    from flowerbed.flower.interrupts import ignore_interruptions
    from flowerbed.flower.options import share
    from flowerbed.live.terminal import watcher
    from flowerbed.local.node_logs import client_errors
    from flowerbed.records import ended, outcome_of
    from flowerbed.runs import run_number

    root = records_folder(records, file)
    number = run_number(run_id_of(run, root, file, connection, user))
    kept = ended(root, str(number))
    order = submission.Order(
        app="",
        timeout=submission.seconds(timeout) if timeout else None,
        pending_timeout=submission.seconds(pending_timeout) if pending_timeout else None,
        unreachable_timeout=submission.seconds(unreachable_timeout),
        on_interrupt=on_interrupt,
        min_replies=share(min_replies, all_of_them=require_all_replies),
        json=json,
        outcome=outcome,
        watcher=watcher(plain=plain),
    )
    if kept:
        return submission.retell(outcome_of(*kept, order.min_replies), kept[1], order)
    reload = connection_reader(file, connection, user)
    where = reload()
    order = replace(order, reload=reload, node_errors=partial(client_errors, where))
    code = submission.attach(where, number, order)
    if code == flower_runs.INTERRUPTED:
        ignore_interruptions()
    reachable = code not in {UsageError.exit_code, flower_runs.UNREACHABLE}
    Keeper(where, root, run_id=str(number)).finish(ask=reachable)
    return code
