"""`backup` and `restore`: the SuperLink's runs and nodes in a file, and back."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from flowerbed.backups.archive import (
    Manifest,
    back_up_local,
    default_name,
    refuse_taken,
    restore_local,
    verify,
)
from flowerbed.backups.cluster import back_up_cluster, restore_cluster
from flowerbed.cli.cluster import is_local
from flowerbed.cli.common import FileArgument, FileOption, JsonOption, declaration_file, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.cli.progress import Progress
from flowerbed.cluster.party import COORDINATOR, Party, parties
from flowerbed.cluster.session import clusters_of
from flowerbed.declaration import load_plan
from flowerbed.errors import UsageError
from flowerbed.kubernetes.verbs.apply import await_ready
from flowerbed.local.state import StateDirectory
from flowerbed.plan import Plan
from flowerbed.project import Project

_TELLING = 2.0  # seconds
LocalOption = Annotated[bool, typer.Option("--local", help="Use the local federation.")]
ClusterOption = Annotated[bool, typer.Option("--cluster", help="Use the federation on Kubernetes.")]


def backup_command(
    file: FileArgument = None,
    option: FileOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write to this file (default: NAME-TIME.backup.tar.gz in this directory).",
        ),
    ] = None,
    cluster: ClusterOption = False,
    local: LocalOption = False,
    json: JsonOption = False,
) -> int:
    """Copy the SuperLink's state into a file: nodes, runs, their logs and models. Runs continue.

    Backs up the local federation if it runs here, otherwise the one on Kubernetes; --local and --cluster
    choose. The file does not contain keys and certificates: keep a copy of the bundles as well.
    """
    path, plan = _loaded(file, option, cluster=cluster, local=local)
    target = output or Path(default_name(plan.name, datetime.now(UTC)))
    refuse_taken(target)
    if local or (not cluster and is_local(path, plan)):
        manifest = back_up_local(StateDirectory.of(path, plan.name), plan.name, target, _told(narrate))
    else:
        (superlink,) = clusters_of([_coordinator(plan, path)])
        with Progress() as progress:
            tell = _told(lambda text: progress.tell(superlink.party.name, text))
            manifest = back_up_cluster(superlink, plan.name, target, tell)
    if json:
        say_json({"file": str(target), "backup": manifest})
    else:
        say(f"{target}: {_described(manifest)}")
    return 0


def restore_command(
    source: Annotated[Path, typer.Argument(metavar="BACKUP", help="A file that `flowerbed backup` wrote.")],
    file: FileOption = None,
    cluster: ClusterOption = False,
    local: LocalOption = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Replace the state without asking.")] = False,
    timeout: Annotated[
        float,
        typer.Option("--timeout", min=1, metavar="SECONDS", help="Wait at most this long for the SuperLink."),
    ] = 300.0,
    json: JsonOption = False,
) -> int:
    """Replace the SuperLink's state with a backup; --local or --cluster is required.

    A SuperLink on Kubernetes is stopped and started again: active runs end, and nodes reconnect by
    themselves. A local federation must be stopped first. The replaced state is kept as
    state.db.before-restore until the next restore.
    """
    path, plan = _loaded(file, None, cluster=cluster, local=local)
    if not (cluster or local):
        raise UsageError("--cluster or --local is required", remedy="name whose state is replaced")
    manifest = verify(source)
    _refuse_foreign(manifest, plan, source)
    narrate(f"{source}: {_described(manifest)}, taken {manifest.taken}")
    if not yes:
        _ask(plan, "use the local federation" if local else _coordinator(plan, path).where)
    if local:
        restore_local(StateDirectory.of(path, plan.name), source)
        code, next_step = 0, "`flowerbed up` runs it"
    else:
        code = _restore_cluster(plan, path, source, timeout)
        next_step = "`flowerbed status --cluster` shows its nodes, which come back by themselves"
    if json:
        say_json({"file": str(source), "backup": manifest, "ready": not code})
    else:
        say(f"{plan.name} has the state of {manifest.taken}; {next_step}")
    return code


def _restore_cluster(plan: Plan, path: Path, source: Path, timeout: float) -> int:
    (cluster,) = clusters_of([_coordinator(plan, path)])
    with Progress() as progress:

        def tell(text: str) -> None:
            progress.tell(cluster.party.name, text)

        try:
            restore_cluster(cluster, source, tell, _told(tell))
        except KeyboardInterrupt:
            narrate(
                "interrupted; the SuperLink starts again, with its old state unless the new one was there"
            )
            raise
        ready = await_ready(cluster, timeout=timeout, tell=progress.tell)
    for line in (line for finding in ready.findings for line in finding.lines()):
        narrate(line)
    return ready.exit_code


def _loaded(file: Path | None, option: Path | None, *, cluster: bool, local: bool) -> tuple[Path, Plan]:
    if cluster and local:
        raise typer.BadParameter("--cluster and --local exclude each other")
    path = declaration_file(file, option)
    return path, load_plan(path)


def _coordinator(plan: Plan, path: Path) -> Party:
    return parties(plan, Project(path).bundles(plan.name), [COORDINATOR])[0]


def _described(manifest: Manifest) -> str:
    state = manifest.state
    runs, nodes = (
        f"{count} {word}{'s' * (count != 1)}" for count, word in ((state.runs, "run"), (state.nodes, "node"))
    )
    return f"{runs} and {nodes} of {manifest.name}, {state.size / 1e6:.1f} MB, Flower {state.flower}"


def _refuse_foreign(manifest: Manifest, plan: Plan, source: Path) -> None:
    if manifest.name != plan.name:
        what = f"this is a backup of {manifest.name!r}, not of {plan.name!r}"
        raise UsageError(what, where=str(source), remedy="give a backup of this federation")
    kept, runs = (tuple(map(int, version.split(".")[:2])) for version in (manifest.state.flower, plan.flower))
    if kept > runs:
        what = f"Flower {manifest.state.flower} kept this state, and {plan.flower} cannot read it"
        raise UsageError(what, where=str(source), remedy="declare that line of Flower or a newer one")


def _ask(plan: Plan, where: str) -> None:
    if not sys.stdin.isatty():
        what = f"the runs and nodes that {plan.name} has now would be replaced"
        raise UsageError(what, where=where, remedy="say --yes if that is meant")
    question = f"Replace the runs and nodes of {plan.name}, {where}, and end its active runs?"
    typer.confirm(question, abort=True, err=True)


def _told(tell: Callable[[str], None]) -> Callable[[int, int], None]:
    """Return what tells how far it is, every other second."""
    told = time.monotonic()

    def progress(moved: int, size: int) -> None:
        nonlocal told
        if (now := time.monotonic()) - told > _TELLING:
            told = now
            tell(f"{moved / 1e6:.0f} of {size / 1e6:.0f} MB")

    return progress
