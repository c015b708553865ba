"""`flowerbed apply`: the declared federation in its clusters."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from flowerbed.bundles import GenerateReport, generate, read_manifest
from flowerbed.cli.common import FileArgument, FileOption, JsonOption, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.cli.notices import warn_of_images, warn_of_troubles
from flowerbed.cli.parties import PartyOption, generated_aside, selected
from flowerbed.cli.progress import Progress
from flowerbed.cluster.party import Party
from flowerbed.cluster.session import clusters_of
from flowerbed.kubernetes.node_keys import with_revoked
from flowerbed.kubernetes.verbs.apply import Applied, apply_commands, apply_releases
from flowerbed.kubernetes.verbs.outcome import exit_code
from flowerbed.plan import Plan
from flowerbed.project import Project

_AS_MEANT = frozenset({"ready", "revoked"})


def apply_command(
    file: FileArgument = None,
    option: FileOption = None,
    party: PartyOption = None,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", min=1, metavar="SECONDS", help="Wait at most this long until everything is ready."
        ),
    ] = 300.0,
    max_removals: Annotated[
        int,
        typer.Option(
            "--max-removals",
            min=0,
            metavar="NUMBER",
            help="Unregister at most this many removed nodes at once, even more than half of all nodes.",
        ),
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands on stdout; write and change nothing.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Install or upgrade the federation in its clusters, and wait until every node is online.

    Generates the bundles, then installs each party: namespace, Secrets, Helm release. Run it again after any
    change or interruption: it continues where it stopped, and changes nothing that is up to date. The exit
    code is also 1 if a party's keys or certificates cannot be used; everything else is installed.
    """

    path, plan, parties = selected(file, option, party)
    parties = _allowing(max_removals, parties)
    clusters = clusters_of(parties)
    warn_of_images(plan, path)
    if dry_run:
        _dry_run(path, plan, parties, party or (), json=json)
        return 0
    bundles = Project(path).bundles(plan.name)
    report = _generate(plan, bundles)
    clusters = with_revoked(clusters, plan, read_manifest(plan, bundles), bundles)
    audiences = (plan.superlink.fleet, plan.superlink.control)
    exposed = [endpoint for endpoint in audiences if endpoint.type != "cluster"]
    try:
        with Progress() as progress:
            found = apply_releases(clusters, timeout=timeout, tell=progress.tell, exposed=exposed)
    except KeyboardInterrupt:
        narrate("interrupted; what was done is kept, and `flowerbed apply` continues from there")
        raise
    if json:
        facts = {"troubles": report.troubles, "hand_out": report.hand_out}
        say_json({"name": plan.name, "ready": not exit_code(found), "parties": found, **facts})
    else:
        _show_applied(plan, found)
    return exit_code(found) or (1 if report.troubles else 0)


def _generate(plan: Plan, bundles: Path) -> GenerateReport:
    """Bring the bundles in line, and narrate what a person has to do about them."""
    report = generate(plan, bundles, tell=lambda event: narrate(str(event)))
    narrate(f"bundles: {len(report.created)} files created, {len(report.updated)} updated")
    warn_of_troubles(report)
    for folder in report.hand_out:
        narrate(f"hand {bundles / folder} to the user")
    return report


def _dry_run(path: Path, plan: Plan, parties: Sequence[Party], names: Sequence[str], *, json: bool) -> None:
    """Print the commands as they would run: with the files of the bundles themselves, not of the copy."""

    with generated_aside(path, plan, names) as (aside, _):
        moved = {str(copy.bundle): str(own.bundle) for copy, own in zip(aside, parties, strict=True)}
        settings = [replace(copy, settings=own.settings) for copy, own in zip(aside, parties, strict=True)]
        lines = apply_commands(clusters_of(settings))
        commands = [[_moved(word, moved) for word in line] for line in lines]
    if json:
        say_json({"commands": commands})
    else:
        say("\n".join(shlex.join(command) for command in commands))


def _moved(word: str, moved: dict[str, str]) -> str:
    for copy, own in moved.items():
        if word.startswith(f"{copy}/"):
            return own + word[len(copy) :]
    return word


def _allowing(removals: int, parties: tuple[Party, ...]) -> tuple[Party, ...]:
    """Return the parties, the coordinator's registrar allowed to unregister so many nodes at once."""
    if not removals:
        return parties
    settings = (f"registrar.maxRemovals={removals}",)
    return tuple(replace(one, settings=settings) if one.is_coordinator else one for one in parties)


def _show_applied(plan: Plan, found: Sequence[Applied]) -> None:
    for applied in found:
        what = f"{len(applied.changed)} changed" if applied.changed else "nothing changed"
        say(f"{applied.party}: {applied.result} after {applied.seconds:.0f} s, {what}")
        for finding in applied.findings:
            for line in finding.lines():
                say(f"  {line}")
    if all(applied.result in _AS_MEANT for applied in found):
        say(f"{plan.name} is ready; `flowerbed status --cluster` shows it")
