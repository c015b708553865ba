"""`flowerbed attach`: follow a run that was started before, exactly as `submit` does."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from flowerbed.cli.flags import FederationFlags, RecordFlags
from flowerbed.cli.records import Keeper, records_folder
from flowerbed.cli.runs import RunArgument, connection_reader, run_id_of
from flowerbed.cli.submit import GOES_ON
from flowerbed.errors import UsageError
from flowerbed.flower import submission
from flowerbed.flower.interrupts import ignore_interruptions
from flowerbed.flower.options import FollowFlags
from flowerbed.flower.runs import INTERRUPTED, UNREACHABLE
from flowerbed.local.node_logs import client_errors
from flowerbed.runs.control import run_number
from flowerbed.runs.live.terminal import watcher
from flowerbed.runs.records.reporting import ended, outcome_of


def attach_command(
    run: RunArgument,
    *,
    federation: FederationFlags,
    follow: FollowFlags,
    kept: RecordFlags,
) -> int:
    """Follow a run that was started before: print its log, and exit with its outcome.

    A run with a complete record is printed from that record, without a SuperLink.
    """
    root = records_folder(kept.records, federation.file)
    where = (federation.file, federation.connection, federation.user)
    number = run_number(run_id_of(run, root, *where))
    known = ended(root, str(number))
    how = follow.options()
    reporting = submission.Reporting(
        json=follow.json, outcome=follow.outcome, watcher=watcher(plain=kept.plain), goes_on=GOES_ON
    )
    if known:
        return submission.retell(outcome_of(*known, how.min_replies), known[1], reporting)
    reload = connection_reader(*where)
    connection = reload()
    how = replace(how, node_errors=partial(client_errors, connection))
    code = submission.attach(connection, number, how, reporting, reload)
    if code == INTERRUPTED:
        ignore_interruptions()
    reachable = code not in {UsageError.exit_code, UNREACHABLE}
    Keeper(connection, root, run_id=str(number)).finish(ask=reachable, patient=code != INTERRUPTED)
    return code
