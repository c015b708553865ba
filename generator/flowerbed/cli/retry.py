"""`flowerbed retry`: run once more what was run before, from its record, or go on from the files it left."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flowerbed.cli.common import narrate
from flowerbed.cli.flags import FederationFlags, LocalFlags, RecordFlags
from flowerbed.cli.libraries import libraries_of
from flowerbed.cli.records import records_folder
from flowerbed.cli.runs import RunArgument, run_id_of
from flowerbed.cli.submit import submitted
from flowerbed.flower.flags import flag, switch
from flowerbed.flower.options import FollowFlags, LabelFlags
from flowerbed.flower.submission import SubmitOptions
from flowerbed.flower.text import printable
from flowerbed.runs.records.again import again


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryFlags:
    """What is another than in the run before."""

    resume: bool = switch("start with the files that the run left in the ServerApp's working directory")
    settings: tuple[str, ...] = flag(
        "KEY=VALUE", "override run config; repeatable", words=("--set",), repeatable=True
    )
    detach: bool = switch("return once the run has started")


def retry_command(
    run: RunArgument,
    *,
    where: FederationFlags,
    change: RetryFlags,
    follow: FollowFlags,
    labels: LabelFlags,
    machine: LocalFlags,
    kept: RecordFlags,
) -> int:
    """Run the app of a recorded run again with the same settings, and follow it as submit does.

    The record contains the app as it was sent, so later changes of its directory have no effect.
    """
    root = records_folder(kept.records, None if machine.local else where.file)
    run_id = run_id_of(run, root, where.file, where.connection, where.user)
    before = again(root, run_id, resume=change.resume)
    for lost in before.missing:
        narrate(f"warning: {printable(lost)} of run {run_id} is not in its record and is left out")
    if change.resume:
        named = ", ".join(map(printable, before.files)) or "none"
        narrate(f"files of run {run_id}: {named}")
    what = SubmitOptions(
        app=before.app,
        settings=(*before.settings, *change.settings),
        libraries=libraries_of(where, machine),
        files=before.files,
        detach=change.detach,
    )
    called = replace(labels, note=labels.note or before.note).labels()
    return submitted(what, where, follow, called, machine, kept)
