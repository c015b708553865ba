"""Commands and options that users of Flower's own `flwr` type, or guess, and what does the same here."""

from __future__ import annotations

from typing import Any

import click

from flowerbed.cli.catalog import Catalog
from flowerbed.errors import UsageError

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


class Commands(Catalog):
    """The verbs, which lead users of `flwr` to the right one."""

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
