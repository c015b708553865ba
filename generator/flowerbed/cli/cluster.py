"""The verbs that look at a federation on Kubernetes: diff, status, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowerbed.cli.common import FileArgument, FileOption, JsonOption, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.cli.local import show
from flowerbed.cli.notices import warn_of_images
from flowerbed.cli.parties import PartyOption, generated_aside, selected
from flowerbed.cluster.programs import find_programs
from flowerbed.cluster.session import clusters_of
from flowerbed.errors import FlowerbedError, UsageError
from flowerbed.kubernetes.diagnosis.federation_status import status_lines
from flowerbed.kubernetes.diagnosis.findings import healthy
from flowerbed.kubernetes.verbs.diff import Difference, diff_lines, diff_releases
from flowerbed.kubernetes.verbs.doctor import check_clusters
from flowerbed.kubernetes.verbs.status import read_status
from flowerbed.local.state import StateDirectory
from flowerbed.plan import Plan
from flowerbed.project import Project

# What `diff` ends with when it cannot tell: 1 means that there are differences, as with `kubectl diff`.
CANNOT_TELL = 2


def diff_command(
    file: FileArgument = None,
    option: FileOption = None,
    party: PartyOption = None,
    json: JsonOption = False,
) -> int:
    """Show what `apply` would change: files of the bundles, and objects in the clusters.

    The exit code is 0 when nothing would change, 1 when something would, and 2 or 3 when that cannot be
    determined. The data of Secrets is never shown.
    """

    path, plan, _ = selected(file, option, party)
    try:
        with generated_aside(path, plan, party or ()) as (parties, files):
            found = diff_releases(clusters_of(parties), files)
    except FlowerbedError as error:
        if error.exit_code == 1:
            error.exit_code = CANNOT_TELL
        raise
    if json:
        say_json(found)
    else:
        _show_difference(found)
    return 0 if found.empty else 1


def _show_difference(found: Difference) -> None:
    for line in diff_lines(found):
        say(line)
    if found.empty:
        narrate("nothing would change")


def status_command(
    file: FileArgument = None,
    option: FileOption = None,
    cluster: Annotated[
        bool,
        typer.Option("--cluster", help="Use the federation on Kubernetes, even if a local one is running."),
    ] = False,
    local: Annotated[
        bool, typer.Option("--local", help="Use the local federation, even if it is not running.")
    ] = False,
    party: PartyOption = None,
    json: JsonOption = False,
) -> int:
    """Show the state of the federation; the exit code is 0 if it is healthy, otherwise 1.

    Shows the local federation (`flowerbed up`) if it runs here, otherwise the one on Kubernetes (`flowerbed
    apply`); --local and --cluster choose. The first line says which.
    """
    if cluster and local:
        raise typer.BadParameter("--cluster and --local exclude each other")
    path, plan, parties = selected(file, option, party)
    if local or (not cluster and not party and is_local(path, plan)):
        return 0 if show(plan, path, json=json).healthy else 1

    warn_of_images(plan, path)
    found = read_status(plan, Project(path).bundles(plan.name), clusters_of(parties))
    if json:
        say_json(found)
    else:
        for line in status_lines(found):
            say(line)
    return 0 if found.healthy else 1


def is_local(path: Path, plan: Plan) -> bool:
    """Return whether the local federation runs, or no program is here that could ask for another."""

    if StateDirectory.of(path, plan.name).running():
        return True
    try:
        find_programs()
    except UsageError as error:
        narrate(f"only the local federation is looked at: {error.what}")
        return True
    narrate(
        f"{plan.name} does not run on this machine; asking its clusters (`flowerbed up` would start it here)"
    )
    return False


def doctor_command(
    file: FileArgument = None,
    option: FileOption = None,
    party: PartyOption = None,
    json: JsonOption = False,
) -> int:
    """Check for problems that keep the federation from running, before and after installation.

    The exit code is 0 if there is no problem, otherwise 1; warnings do not count.
    """

    path, plan, parties = selected(file, option, party)
    findings = check_clusters(plan, Project(path).bundles(plan.name), clusters_of(parties))
    if json:
        say_json({"healthy": healthy(findings), "findings": findings})
    else:
        for finding in findings:
            for line in finding.lines():
                say(line)
        count = sum(finding.level == "problem" for finding in findings)
        narrate(f"{count} problem{'s' * (count != 1)}" if count else "no problem")
    return 0 if healthy(findings) else 1
