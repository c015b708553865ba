"""`flowerbed retry`: run once more what was run before, from its record, or go on from the files it left."""

from __future__ import annotations

import inspect
from typing import Annotated

import typer

from flowerbed.cli.common import FileOption, narrate
from flowerbed.cli.label_options import NameOption, NoteOption, TagOption
from flowerbed.cli.records import RecordsOption, records_folder
from flowerbed.cli.runs import ConnectionOption, RunArgument, UserOption, run_id_of
from flowerbed.cli.submit import (
    DetachOption,
    InterruptOption,
    LocalOption,
    MinRepliesOption,
    NodesOption,
    OutcomeJsonOption,
    OutcomeOption,
    PendingOption,
    PlainOption,
    RepliesOption,
    SetOption,
    TimeoutOption,
    UnreachableOption,
    WithOption,
    submit,
    submitted,
)
from flowerbed.flower.text import printable

ResumeOption = Annotated[
    bool,
    typer.Option(
        "--resume", help="Begin with the files that the run left in the ServerApp's working folder."
    ),
]


def retry(  # noqa: PLR0913, PLR0917  (one parameter an option)
    run: RunArgument,
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    resume: ResumeOption = False,
    settings: SetOption = None,
    detach: DetachOption = False,
    timeout: TimeoutOption = None,
    pending_timeout: PendingOption = None,
    unreachable_timeout: UnreachableOption = "5m",
    on_interrupt: InterruptOption = "ask",
    min_replies: MinRepliesOption = None,
    require_all_replies: RepliesOption = False,
    json: OutcomeJsonOption = False,
    outcome: OutcomeOption = None,
    name: NameOption = None,
    tags: TagOption = None,
    note: NoteOption = None,
    local: LocalOption = False,
    nodes: NodesOption = 2,
    packages: WithOption = None,
    records: RecordsOption = None,
    plain: PlainOption = False,
) -> int:
    """Run the app of a recorded run once more, with the settings that it had, and follow it as submit does.

    The record has the app as it was sent, so later changes of its folder do not count.
    """
    given = dict(locals())
    from flowerbed.records.again import again

    root = records_folder(records, None if local else file)
    run_id = run_id_of(run, root, file, connection, user)
    before = again(root, run_id, resume=resume)
    for lost in before.missing:
        narrate(f"warning: {printable(lost)} of run {run_id} is not in its record, and does not come along")
    if resume:
        named = ", ".join(map(printable, before.files)) or "none"
        narrate(f"files of run {run_id}: {named}")
    unsaid = {one.name: one.default for one in inspect.signature(submit).parameters.values()}
    return submitted({**unsaid, **given, "note": note or before.note}, before)
