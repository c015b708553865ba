"""`flowerbed uninstall`: the declared federation out of its clusters."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from flowerbed.cli.common import FileArgument, FileOption, JsonOption, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.cli.parties import PartyOption, selected
from flowerbed.cli.progress import Progress
from flowerbed.cluster.party import Party
from flowerbed.cluster.session import clusters_of
from flowerbed.errors import UsageError
from flowerbed.kubernetes.verbs.outcome import exit_code
from flowerbed.kubernetes.verbs.remaining import Kept
from flowerbed.kubernetes.verbs.uninstall import Uninstalled, uninstall_commands, uninstall_releases
from flowerbed.plan import Plan
from flowerbed.project import Project


def uninstall_command(
    file: FileArgument = None,
    option: FileOption = None,
    party: PartyOption = None,
    purge: Annotated[
        bool,
        typer.Option(
            "--purge",
            help="Also delete the SuperLink's state, the Secrets of the bundles, and namespaces that `apply` "
            "created and that hold nothing else. Asks for the federation's name first.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Purge without asking.")] = False,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", min=1, metavar="SECONDS", help="Wait at most this long for each party's pods to end."
        ),
    ] = 300.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands on stdout; remove nothing.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Remove the federation's Helm releases from its clusters; state and keys are kept without --purge.

    Removes the tenants first, then the coordinator; active runs end. A release that is not installed is not
    an error. Prints at the end what is left and the commands that delete it. Keys and bundles on this machine
    are never deleted: `flowerbed apply` installs the federation again.
    """

    path, plan, parties = selected(file, option, party)
    clusters, issued = clusters_of(parties), _issued(plan)
    if dry_run:
        commands = uninstall_commands(clusters, purge=purge, timeout=timeout, issued=issued)
        _dry_run(commands, json=json)
        return 0
    if purge and not yes:
        _confirm(plan, parties)
    try:
        with Progress() as progress:
            found = uninstall_releases(
                clusters, purge=purge, timeout=timeout, tell=progress.tell, issued=issued
            )
    except KeyboardInterrupt:
        narrate("interrupted; what was removed stays removed, and `flowerbed uninstall` continues from there")
        raise
    code = exit_code(found)
    if json:
        say_json({"name": plan.name, "removed": not code, "parties": found})
    else:
        _show(found, Project(path).bundles(plan.name))
    return code


def _issued(plan: Plan) -> str:
    """Return the name of the Secret that cert-manager writes for the gateway, "" if it writes none."""
    tls = plan.superlink.tls
    return tls.secret if tls.source == "cert-manager" and not plan.insecure else ""


def _dry_run(commands: Sequence[list[str]], *, json: bool) -> None:
    if json:
        say_json({"commands": commands})
    else:
        say("\n".join(shlex.join(command) for command in commands))


def _confirm(plan: Plan, parties: Sequence[Party]) -> None:
    """Have the user type the federation's name. Raises UsageError if nobody can, or another one is typed."""
    places = ", ".join(party.where for party in parties)
    state = "runs, nodes, models and " if any(party.is_coordinator for party in parties) else ""
    what = f"--purge permanently deletes {state}Secrets of {plan.name}: {places}"
    if not sys.stdin.isatty():
        raise UsageError(what, remedy="nothing was removed; pass --yes to confirm")
    narrate(what)
    typed = typer.prompt(f"Type the federation's name ({plan.name}) to continue", err=True)
    if typed.strip() != plan.name:
        raise UsageError(f"{typed.strip()!r} is not {plan.name!r}", remedy="nothing was removed")


def _show(found: Sequence[Uninstalled], bundles: Path) -> None:
    for one in found:
        more = [name for name in one.removed if not name.startswith("Release ")]
        what = f", also deleted: {', '.join(more)}" if more else ""
        say(f"{one.party}: {one.result} after {one.seconds:.0f} s{what}")
        for finding in one.findings:
            for line in finding.lines():
                say(f"  {line}")
    # Parties may share a namespace.
    if kept := list({each.command: each for one in found for each in one.kept}.values()):
        _show_kept(kept)
    if bundles.exists():
        say(f"keys and bundles stay on this machine: {bundles}")


def _show_kept(kept: Sequence[Kept]) -> None:
    """Print what stays in the clusters, and what deletes it."""
    say("these stay in the clusters:")
    for each in kept:
        place = f" in {each.namespace}" if each.namespace else ""
        say(f"  {each.kind} {each.name}{place}{f': {each.what}' if each.what else ''}")
    say("to delete them:")
    if any(each.purged for each in kept):
        say("  flowerbed uninstall --purge")
    for each in kept:
        if each.kind == "Namespace":
            say(f"  {each.command}  # with everything in it")
        elif not each.purged:
            say(f"  {each.command}")
