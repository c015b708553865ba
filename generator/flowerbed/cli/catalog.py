"""Every verb of `flowerbed`, with the module that has it; a module is imported when its verb is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click
import typer

from flowerbed.cli.verbs import CLASS, Verb, VerbGroup, Verbs

# By name, in the order of the help: module of this package, and the first paragraph of the verb's own help.
VERBS = {
    "init": (
        "declare",
        "Write a commented declaration to start from; an existing file is kept without --force.",
    ),
    "check": (
        "declare",
        "Validate a declaration, and report every problem with its position and a remedy.",
    ),
    "schema": (
        "declare",
        "Print the JSON Schema of the declaration, for editors: flowerbed schema > federation.schema.json.",
    ),
    "helper": (
        "declare",
        "Print a Python file to copy into an app, with log_metrics, log_config and save_artifact.",
    ),
    "new": (
        "new",
        "Create a small Flower app to start from, with metrics and artifacts; it trains at once.",
    ),
    "generate": (
        "generate",
        "Write each party's bundle: keys, certificates, values and instructions; valid ones are kept.",
    ),
    "build": (
        "build",
        "Build the declared images: packages locked with hashes, tagged by content, built only when changed.",
    ),
    "up": ("local", "Run the declared federation as processes on this machine."),
    "down": ("local", "Stop the local federation."),
    "apply": (
        "apply",
        "Install or upgrade the federation in its clusters, and wait until every node is online.",
    ),
    "uninstall": (
        "uninstall",
        "Remove the federation's Helm releases from its clusters; state and keys are kept without --purge.",
    ),
    "diff": ("cluster", "Show what `apply` would change: files of the bundles, and objects in the clusters."),
    "status": (
        "cluster",
        "Show the state of the federation; the exit code is 0 if it is healthy, otherwise 1.",
    ),
    "doctor": (
        "cluster",
        "Check for problems that keep the federation from running, before and after installation.",
    ),
    "backup": (
        "backup",
        "Copy the SuperLink's state into a file: nodes, runs, their logs and models. Runs continue.",
    ),
    "restore": ("backup", "Replace the SuperLink's state with a backup; --local or --cluster is required."),
    "submit": ("submit", "Pack an app, start a run, print its id, follow it, and exit with its outcome."),
    "sweep": (
        "sweep",
        "Submit an app once for each combination of run config values, at most N runs at a time.",
    ),
    "attach": (
        "attach",
        "Follow a run that was started before: print its log, and exit with its outcome.",
    ),
    "retry": (
        "retry",
        "Run the app of a recorded run again with the same settings, and follow it as submit does.",
    ),
    "logs": ("logs", "Print a run's log; with --follow until the run ends, whose outcome is the exit code."),
    "stop": ("stop", "Stop a run; stopping a run that has already finished is not an error."),
    "report": ("report", "Show the rounds of a run and the nodes that took part; -o writes one HTML file."),
    "artifacts": (
        "artifacts",
        "List the files of a run, and download them; exit code 1 if one is damaged or has an invalid name.",
    ),
    "certificates": (
        "certificates",
        "List every certificate that has not expired, with its state and the days until it does.",
    ),
    "connection": (
        "connection",
        "Show a user's connection; with --flwr, let the stock flwr command use it.",
    ),
    "runs": ("runs_group", "List the runs, newest first, or compare some of them."),
    "rotate": (
        "rotate",
        "Replace a certificate, the CA or node keys in the bundles; `flowerbed apply` installs them.",
    ),
    "revoke": (
        "rotate",
        "Permanently revoke a tenant, a node or a user; `flowerbed apply` puts it into effect.",
    ),
}


def load(name: str) -> click.Command:
    """Return a verb: the function or the group of its module that is named NAME_command."""
    found = getattr(import_module(f"flowerbed.cli.{VERBS[name][0]}"), f"{name}_command")
    if isinstance(found, typer.Typer):
        command: click.Command = typer.main.get_group(found)
    else:
        alone = Verbs(add_completion=False)
        alone.command(name, cls=getattr(found, CLASS, Verb))(found)
        command = typer.main.get_command(alone)
    command.name = name
    return command


class Catalog(VerbGroup):
    """The verbs, each read when it is needed; of the others the help says what the table has."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:  # noqa: ANN401  (those of typer)
        super().__init__(*arguments, **settings)
        self.commands.update({name: click.Command(name, help=text) for name, (_, text) in VERBS.items()})
        self._listing = False

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb; while verbs are listed, a stand-in that has its help alone."""
        known = super().get_command(ctx, cmd_name)
        return known if known is None or self._listing else load(cmd_name)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the help, for which no verb is read."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Return what a verb's name may be completed to."""
        self._listing = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._listing = False
