"""`flowerbed submit`: what `scripts/submit.py` does, and the local federation where no other is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from flowerbed import runs
from flowerbed.cli.common import DEFAULT_FILE, narrate
from flowerbed.cli.flags import FederationFlags, LocalFlags, RecordFlags, WhereFlags
from flowerbed.cli.libraries import libraries_of
from flowerbed.cli.records import Keeper, records_folder
from flowerbed.cli.runs import connection_reader
from flowerbed.errors import UsageError
from flowerbed.flower import submission
from flowerbed.flower.connection import Connection
from flowerbed.flower.dry_run import dry_run
from flowerbed.flower.interrupts import ignore_interruptions
from flowerbed.flower.labels import Labels
from flowerbed.flower.options import FollowFlags, FollowOptions, LabelFlags, StartFlags
from flowerbed.flower.runs import INTERRUPTED, UNREACHABLE
from flowerbed.flower.source.options import APP_HELP, SourceFlags
from flowerbed.flower.submission import Reload, Reporting, SubmitOptions, checked_first
from flowerbed.runs.live.terminal import watcher

GOES_ON = "`flowerbed stop RUN` stops it, `flowerbed attach RUN` follows it again"
AppArgument = Annotated[
    str | None, typer.Argument(metavar="[APP]", help=f"{APP_HELP[0].upper()}{APP_HELP[1:]}.")
]


def submit_command(
    app: AppArgument = None,
    *,
    where: WhereFlags,
    start: StartFlags,
    follow: FollowFlags,
    labels: LabelFlags,
    source: SourceFlags,
    machine: LocalFlags,
    kept: RecordFlags,
) -> int:
    """Pack an app, start a run, print its id, follow it, and exit with its outcome."""
    called = labels.labels()
    what = SubmitOptions(
        app=source.request(app, start.config, start.settings),
        config=start.config,
        settings=start.settings,
        libraries=libraries_of(where, machine),
        fix=source.fix,
        key=start.run_key(),
        detach=start.detach,
    )
    follow.options()  # wrong ones are told in a dry run, too
    if source.dry_run:
        return dry_run(what, as_json=follow.json)
    return submitted(what, where, follow, called, machine, kept)


def submitted(
    what: SubmitOptions,
    where: FederationFlags,
    follow: FollowFlags,
    labels: Labels,
    machine: LocalFlags,
    kept: RecordFlags,
) -> int:
    """Submit what the options say, and keep its record; return the exit code."""
    reporting = Reporting(
        json=follow.json, outcome=follow.outcome, watcher=watcher(plain=kept.plain), goes_on=GOES_ON
    )
    if machine.local:
        return _submit_locally(what, where, follow, reporting, labels, machine, kept)
    demand_federation(where, machine)
    reload = connection_reader(where.file, where.connection, where.user, overrides(where))
    connection = reload()
    keeper = Keeper(connection, records_folder(kept.records, where.file), labels=labels)
    return _recorded(keeper, connection, what, follow.options(), reporting, reload)


def _submit_locally(
    what: SubmitOptions,
    where: FederationFlags,
    follow: FollowFlags,
    reporting: Reporting,
    labels: Labels,
    machine: LocalFlags,
    kept: RecordFlags,
) -> int:
    from flowerbed.local.throwaway import throwaway  # a run elsewhere starts nothing here

    refuse_federation(where, "run", detach=what.detach)
    # A run on a federation that ends with this command cannot go on.
    how = replace(follow.options(), on_interrupt="stop", ephemeral=True)

    def run(checked: SubmitOptions) -> int:
        with throwaway(machine.nodes, narrate, wait=False, packages=machine.packages) as federation:
            connection = runs.load_connection(federation.connection())
            keeper = Keeper(connection, records_folder(kept.records, None), labels=labels)
            return _recorded(keeper, connection, checked, how, reporting, None)

    return checked_first(what, reporting, run)


def refuse_federation(where: FederationFlags, what: str, *, detach: bool = False) -> None:
    """Raise UsageError where options name another federation than the one that `--local` makes."""
    named = [name for name in ("file", "connection", "user") if getattr(where, name)]
    named += [*(["detach"] if detach else []), *overrides(where)]
    if named:
        words = ", ".join(f"--{name.replace('_', '-')}" for name in named)
        raise UsageError(f"--local makes a federation of its own, which ends with the {what}: no {words}")


def overrides(where: FederationFlags) -> dict[str, object]:
    """Return what overrides the connection file, by the fields of a Connection."""
    return where.overrides() if isinstance(where, WhereFlags) else {}


def demand_federation(where: FederationFlags, machine: LocalFlags) -> None:
    """Raise UsageError where neither a declaration nor a connection says where to run an app."""
    if machine.packages:
        raise UsageError(
            "--with is for --local: elsewhere the images bring an app's packages",
            remedy="declare them in `images`, or add --local",
        )
    if not (where.file or where.connection or "address" in overrides(where) or DEFAULT_FILE.exists()):
        raise UsageError(
            f"there is no {DEFAULT_FILE} in this directory, so no federation to submit to",
            remedy="--local runs the app on this machine alone; --connection FILE names a federation "
            "elsewhere; `flowerbed init` writes a declaration",
        )


def _recorded(
    keeper: Keeper,
    connection: Connection,
    what: SubmitOptions,
    how: FollowOptions,
    reporting: Reporting,
    reload: Reload | None,
) -> int:
    def node_errors(run_id: str) -> dict[str, str]:
        from flowerbed.local.node_logs import client_errors  # the run's id does not wait for it

        return client_errors(connection, run_id)

    how = replace(how, node_errors=node_errors)
    code = submission.submit(connection, what, how, replace(reporting, started=keeper.started), reload)
    if code == INTERRUPTED:
        ignore_interruptions()
    # Nobody waits for the log of a run that is not followed.
    keeper.finish(ask=code != UNREACHABLE and not what.detach, patient=code != INTERRUPTED)
    return code
