"""The verbs of `flowerbed`: where each is, imported when it is used, and how typer takes them.

Commands and options of Flower's own `flwr` are refused here, with what does the same. Positional arguments
show their help, whichever click is installed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any, get_type_hints

import click
import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.models import ArgumentInfo, CommandFunctionType

from flowerbed.errors import UsageError

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
# What users of Flower's own `flwr` type, or guess, and what does the same here.
COMMANDS = {
    "run": "`flowerbed submit APP` runs an app and follows it; with --local on this machine alone",
    "ls": "`flowerbed runs` lists runs",
    "list": "`flowerbed runs` lists runs",
    "log": "`flowerbed logs RUN` prints a run's log",
    "pull": "`flowerbed artifacts RUN` gets the files that a run gave",
    "compare": "`flowerbed runs compare RUN RUN` compares runs",
    "install": "an app needs no installing: `flowerbed submit APP` takes directories, .fab files, addresses",
    "login": "a connection.toml with its certificate is the login: see `flowerbed connection`",
    "supernode": "`flowerbed status` lists the nodes; `federation.yaml` declares them",
    "federation": "`federation.yaml` declares the federation: see `flowerbed init` and `flowerbed check`",
}
OPTIONS = {
    "--run-config": "--set KEY=VALUE sets one key, and is repeated for more; --config FILE reads a TOML file",
    "--federation-config": "`federation.yaml` declares the federation: see `flowerbed init`",
    "--stream": "a run is followed without any option; --detach ends when it is started",
    "--format": "--json prints JSON",
}


class Verb(TyperCommand):
    """A verb that reads the help of its arguments from its function.

    Arguments have a help of their own from click 8.4 on, and typer before 0.21 leaves it empty there.
    """

    def format_help(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the help, that of the arguments included."""
        function = inspect.unwrap(self.callback) if self.callback else None
        hints = get_type_hints(function, include_extras=True) if function else {}
        for parameter in self.params:
            if isinstance(parameter, TyperArgument):
                parameter.help = parameter.help or _help_of(hints.get(str(parameter.name)))
        super().format_help(context, formatter)


def _help_of(annotation: object) -> str | None:
    """Return the help in `Annotated[..., typer.Argument(help=...)]`."""
    infos = (one for one in getattr(annotation, "__metadata__", ()) if isinstance(one, ArgumentInfo))
    return next((info.help for info in infos), None)


class VerbGroup(TyperGroup):
    """A group whose error about an unknown verb suggests another one once."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:  # noqa: ANN401  (those of typer)
        super().__init__(*arguments, **settings)
        # click suggests by itself from 8.4 on, and typer 0.20 adds the same.
        self.suggest_commands = not hasattr(click.exceptions, "NoSuchCommand")


CLASS = "__click_class__"


def of(kind: type[Verb]) -> Callable[[CommandFunctionType], CommandFunctionType]:
    """Return the decorator that makes a function a verb of a class of its own."""

    def mark(function: CommandFunctionType) -> CommandFunctionType:
        setattr(function, CLASS, kind)
        return function

    return mark


class Verbs(typer.Typer):
    """A group of verbs."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  (those of typer)
        super().__init__(**{"cls": VerbGroup, **settings})

    def command(
        self,
        name: str | None = None,
        **settings: Any,  # noqa: ANN401  (those of typer)
    ) -> Callable[[CommandFunctionType], CommandFunctionType]:
        """Return the decorator that makes a function a verb; groups of flags become its options."""
        from flowerbed.cli.flags import flat  # the help of all verbs needs none

        decorate = super().command(name, **{"cls": Verb, **settings})

        def verb(function: CommandFunctionType) -> CommandFunctionType:
            decorate(flat(function))
            return function

        return verb


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
    """The verbs, each read when it is needed; of the others the help says what the table has.

    Users of `flwr` are led to the right one.
    """

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

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401  (click's, of any version)
        """Return the command that is named first. Raises UsageError for one of `flwr` alone."""
        word = args[0] if args else ""
        if word in COMMANDS and self.get_command(ctx, word) is None:
            raise UsageError(f"there is no command {word!r}", remedy=COMMANDS[word])
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  (click's, of any version)
        """Run a verb; Ctrl-C is an Abort, which gets a message: typer would end without a word."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.Abort from None
