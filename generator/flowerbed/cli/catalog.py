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
        "Write a commented declaration to start from; what is there already stays, without --force.",
    ),
    "check": (
        "declare",
        "Check a declaration: one line about the federation, or every problem with its place and remedy.",
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
        "Write each party's bundle: keys, certificates, values and instructions; what serves is kept.",
    ),
    "build": (
        "build",
        "Build the declared images: packages locked with hashes, tagged by content, built only when changed.",
    ),
    "up": ("local", "Run the declared federation as processes on this machine."),
    "down": ("local", "Take the local federation down."),
    "apply": (
        "apply",
        "Bring the declared federation into its clusters, and wait until every node is online.",
    ),
    "uninstall": (
        "uninstall",
        "Remove the federation's Helm releases from its clusters; its state and keys stay without --purge.",
    ),
    "diff": ("cluster", "Show what `apply` would change: files of the bundles, and objects in the clusters."),
    "status": ("cluster", "Show how the federation is; exit 0 if all is well, else 1."),
    "doctor": (
        "cluster",
        "Look for what would keep the federation from running, before and after installing it.",
    ),
    "backup": (
        "backup",
        "Copy the SuperLink's state into a file: nodes, runs, logs and models. Runs continue.",
    ),
    "restore": ("backup", "Put a backup in the place of the SuperLink's state: say --local or --cluster."),
    "submit": ("submit", "Pack an app, start it, print the run's id, follow it, and end with its outcome."),
    "sweep": (
        "sweep",
        "Submit an app once for each combination of run config values, at most N runs at a time.",
    ),
    "attach": (
        "attach",
        "Follow a run that was started before, with its log, and end with its outcome and its record.",
    ),
    "retry": (
        "retry",
        "Run the app of a recorded run once more, with the settings that it had, and follow it as submit "
        "does.",
    ),
    "logs": ("logs", "Print a run's log; with --follow to its end, which then gives the exit code."),
    "stop": ("stop", "Stop a run; one that has finished stays as it is, which is not an error."),
    "report": ("report", "Show the rounds of a run and who took part; -o writes them as one HTML file."),
    "artifacts": (
        "artifacts",
        "List the files of a run, and fetch them; 1 if one is damaged or has a refused name.",
    ),
    "certificates": (
        "certificates",
        "List every certificate that has not ended, with its state and the days that it has left.",
    ),
    "connection": (
        "connection",
        "Show a user's connection; with --flwr, make the stock flwr command work over it.",
    ),
    "runs": ("runs_group", "List the runs, newest first, or compare some of them."),
    "rotate": (
        "rotate",
        "Replace a certificate, the CA or node keys, in the bundles; `flowerbed apply` brings them out.",
    ),
    "revoke": ("rotate", "Permanently revoke a tenant, a node or a user; `flowerbed apply` carries it out."),
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
