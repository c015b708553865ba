"""`flowerbed connection`: what a user's connection is, and the stock `flwr` command over it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click
import typer

from flowerbed.access.details import ConnectionDetails, details
from flowerbed.access.flwr_config import FlwrConfig
from flowerbed.access.session import configured, misled, run_in, session
from flowerbed.cli.common import FileOption, JsonOption, declaration_file, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.cli.runs import ConnectionOption
from flowerbed.cli.verbs import Verb, of
from flowerbed.declaration import load_plan
from flowerbed.errors import LocalError, UsageError
from flowerbed.flower.connection import Connection
from flowerbed.flower.interrupts import ignore_interruptions, interruptions
from flowerbed.identities.users import usable_users
from flowerbed.local import StateDirectory
from flowerbed.plan import Plan
from flowerbed.project import Project
from flowerbed.runs.control import load_connection

_COMMAND = "flowerbed.connection.command"


class WithCommand(Verb):
    """A verb after whose options `-- COMMAND` may stand."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """Keep what stands after the first `--` apart, as it is."""
        if "--" in arguments:
            at = arguments.index("--")
            context.meta[_COMMAND] = arguments[at + 1 :]
            arguments = arguments[:at]
        return super().parse_args(context, arguments)

    def collect_usage_pieces(self, context: click.Context) -> list[str]:
        """Return what the usage line shows."""
        return [*super().collect_usage_pieces(context), "[-- COMMAND...]"]


@of(WithCommand)
def connection_command(
    context: typer.Context,
    user: Annotated[
        str | None,
        typer.Argument(metavar="[USER]", help="Declared user (default: the first submitter)."),
    ] = None,
    file: FileOption = None,
    connection: ConnectionOption = None,
    flwr: Annotated[
        bool,
        typer.Option(
            "--flwr", help="Let the stock flwr command use the connection: until Ctrl-C, or for -- COMMAND."
        ),
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Name of the connection in flwr's configuration (default: the federation's name).",
        ),
    ] = None,
    port: Annotated[
        int,
        typer.Option(
            "--port", min=0, max=65535, metavar="N", help="Port of the local proxy (default: any free port)."
        ),
    ] = 0,
    json: JsonOption = False,
) -> int:
    """Show a user's connection; with --flwr, let the stock flwr command use it."""
    command = context.meta.get(_COMMAND)
    if command is not None and not (flwr and command):
        raise UsageError(
            "a command after -- goes with --flwr", remedy="flowerbed connection --flwr -- flwr ls"
        )
    if json and flwr:
        raise UsageError("--json shows the connection; it does not go with --flwr")
    found, federation = _find(user, file, connection)
    shown = details(found)
    if flwr:
        return _flwr(found, name or federation, port, command)
    if json:
        say_json(shown)
    else:
        say("\n".join(_lines(shown)))
    return 0


def _find(user: str | None, file: Path | None, given: Path | None) -> tuple[Connection, str]:
    """Return a user's connection and a name for it: as given, of what runs here, or in the bundle."""

    if given:
        if user:
            raise UsageError("a connection file has its own user", remedy="leave USER or --connection out")
        return load_connection(given), "flowerbed"
    declaration = declaration_file(file)
    plan = load_plan(declaration)
    try:
        return load_connection(StateDirectory.of(declaration, plan.name).connection_file(user)), plan.name
    except LocalError:
        users = {one.name: one for one in plan.users}
        if user and user not in users:
            remedy = f"declared are: {', '.join(users) or 'none'}"
            raise UsageError(f"there is no user {user!r}", where=str(declaration), remedy=remedy) from None
        bundles = Project(declaration).bundles(plan.name)
        kept = bundles / "users" / (user or first_user(plan, bundles)) / "connection.toml"
        if not kept.is_file():
            remedy = "`flowerbed generate` makes the bundles, `flowerbed up` a federation on this machine"
            raise UsageError("there is no connection yet", where=str(kept), remedy=remedy) from None
        return load_connection(kept), plan.name


def first_user(plan: Plan, bundles: Path) -> str:
    """Return the user who is meant by default: the first who may submit with a certificate that counts."""

    usable = usable_users(plan, bundles).users or plan.users
    able = [user for user in plan.users if user in usable]
    first = next((user for user in able if user.role != "viewer"), next(iter(able), None))
    return first.name if first else ""


def _lines(shown: ConnectionDetails) -> list[str]:
    rows = [("address", shown.address), ("federation", shown.federation)]
    if shown.insecure:
        rows.append(("TLS", "none: INSECURE, plain HTTP"))
    else:
        rows.append(("TLS name", shown.tls_name))
        rows += [("CA SHA-256", one) for one in shown.ca_fingerprints] or [("CA", "the system's trust")]
    if shown.client_certificate:
        rows += [("user", shown.user), ("role", shown.role), ("certificate", shown.client_certificate)]
        rows.append(
            ("valid until", f"{shown.not_after.removesuffix('+00:00')} UTC, {_left(shown.days_left or 0)}")
        )
    return [f"{key:<12} {value}" for key, value in rows if value]


def _left(days: int) -> str:
    if days < 0:
        return "EXPIRED: ask for a new one (`flowerbed rotate certificate`)"
    return f"{days} day{'s' * (days != 1)} left"


def _flwr(found: Connection, name: str, port: int, command: list[str] | None) -> int:
    with interruptions():
        try:
            with session(found, port) as opened:
                if command:
                    return run_in(opened, name, command)
                config = FlwrConfig.of_user()
                with configured(config, name, opened):
                    narrate(f"written: {config.file}")
                    say(f"flwr ls {name}")
                    if opened.proxy is None:
                        return 0
                    if misled():
                        narrate("warning: flwr's calls go to your proxy: export NO_PROXY=127.0.0.1")
                    narrate(f"the connection {name!r} works for flwr until Ctrl-C; flwr prints its")
                    narrate("  address and in it this session's password, which opens nothing afterwards")
                    opened.wait()
        except KeyboardInterrupt:
            # The way to end it, as with `flowerbed up`; what it wrote is gone.
            ignore_interruptions()
    return 0
