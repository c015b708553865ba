"""`flowerbed submit`: the flags of `scripts/submit.py`, and the local federation where no other is named."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flowerbed.cli.common import FileOption
from flowerbed.cli.label_options import NameOption, NoteOption, TagOption
from flowerbed.cli.libraries import libraries_of
from flowerbed.cli.records import Keeper, RecordsOption, records_folder
from flowerbed.cli.runs import ConnectionOption, UserOption, connection_reader
from flowerbed.cli.source_options import (
    AppArgument,
    AppNameOption,
    AppVersionOption,
    ClientOption,
    DryRunOption,
    FetchTimeoutOption,
    FixOption,
    KnownHostsOption,
    ModuleOption,
    PathOption,
    PublisherOption,
    RefOption,
    RequirementsOption,
    ServerOption,
    Sha256Option,
    SourceRecordOption,
    SshKeyOption,
    SubmodulesOption,
    TokenFileOption,
    UsernameOption,
)
from flowerbed.errors import UsageError

if TYPE_CHECKING:
    from flowerbed.flower.connection import Connection
    from flowerbed.flower.labels import Labels
    from flowerbed.flower.submission import Order
    from flowerbed.records.again import Again

AddressOption = Annotated[
    str | None, typer.Option("--address", metavar="HOST:PORT", help="The SuperLink's control address.")
]
RootOption = Annotated[
    Path | None,
    typer.Option("--root-certificates", metavar="FILE", help="CA to trust; default: the system's."),
]
CertificateOption = Annotated[
    Path | None, typer.Option("--client-certificate", metavar="FILE", help="Your certificate (PEM).")
]
KeyOption = Annotated[
    Path | None, typer.Option("--client-key", metavar="FILE", help="Its key (PEM, not encrypted).")
]
InsecureOption = Annotated[bool, typer.Option("--insecure", help="Plain HTTP.")]
FederationOption = Annotated[
    str | None, typer.Option("--federation", metavar="NAME", help="Default: the SuperLink's only one.")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override run config; repeatable.")
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="TOML file that overrides run config.")
]
DetachOption = Annotated[bool, typer.Option("--detach", help="End when the run is started.")]
TimeoutOption = Annotated[
    str | None,
    typer.Option("--timeout", metavar="TIME", help="Follow for so long at most: 90, 90s, 10m, 2h."),
]
PendingOption = Annotated[
    str | None,
    typer.Option(
        "--pending-timeout", metavar="TIME", help="The same for a run whose ServerApp nobody starts."
    ),
]
UnreachableOption = Annotated[
    str, typer.Option("--unreachable-timeout", metavar="TIME", help="Bear so long with an absent SuperLink.")
]
InterruptOption = Annotated[
    Literal["ask", "leave", "stop"],
    typer.Option(
        "--on-interrupt",
        help="What becomes of the run then; ask: leave it, unless a terminal's user says stop.",
    ),
]
RepliesOption = Annotated[bool, typer.Option("--require-all-replies", help="The same as --min-replies 1.")]
MinRepliesOption = Annotated[
    str | None,
    typer.Option(
        "--min-replies",
        metavar="SHARE",
        help="Exit code 1 if a phase of a round has a smaller share of good replies, such as 0.8.",
    ),
]
RunKeyOption = Annotated[
    str | None,
    typer.Option("--key", metavar="NAME", help="Attach to the run that this key has started, if any."),
]
CiOption = Annotated[
    bool, typer.Option("--ci", help="The same without a name: one run of this app, config and user.")
]
OutcomeJsonOption = Annotated[
    bool, typer.Option("--json", help="Print the outcome as the last line on stdout.")
]
OutcomeOption = Annotated[
    Path | None, typer.Option("--outcome", metavar="FILE", help="Write the outcome as JSON to a file.")
]
LocalOption = Annotated[
    bool, typer.Option("--local", help="Run it on this machine, without any declared federation.")
]
NodesOption = Annotated[
    int, typer.Option("--nodes", metavar="N", help="With --local: that many SuperNodes, 64 at most.")
]
WithOption = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="WHAT",
        help="With --local: a requirements.txt, or a package, for the app; repeatable.",
    ),
]
PlainOption = Annotated[
    bool, typer.Option("--plain", help="Plain lines on a terminal, too: no table of rounds.")
]

# Flags that override what the connection file says.
CONNECTION = (
    "address",
    "root_certificates",
    "client_certificate",
    "client_key",
    "insecure",
    "federation",
)


def submit(  # noqa: PLR0913, PLR0917  (one parameter an option)
    app: AppArgument = None,
    file: FileOption = None,
    connection: ConnectionOption = None,
    user: UserOption = None,
    address: AddressOption = None,
    root_certificates: RootOption = None,
    client_certificate: CertificateOption = None,
    client_key: KeyOption = None,
    insecure: InsecureOption = False,
    federation: FederationOption = None,
    settings: SetOption = None,
    config: ConfigOption = None,
    detach: DetachOption = False,
    timeout: TimeoutOption = None,
    pending_timeout: PendingOption = None,
    unreachable_timeout: UnreachableOption = "5m",
    on_interrupt: InterruptOption = "ask",
    min_replies: MinRepliesOption = None,
    require_all_replies: RepliesOption = False,
    key: RunKeyOption = None,
    ci: CiOption = False,
    json: OutcomeJsonOption = False,
    outcome: OutcomeOption = None,
    name: NameOption = None,
    tags: TagOption = None,
    note: NoteOption = None,
    ref: RefOption = None,
    path: PathOption = None,
    sha256: Sha256Option = None,
    submodules: SubmodulesOption = False,
    token_file: TokenFileOption = None,
    username: UsernameOption = None,
    ssh_key: SshKeyOption = None,
    known_hosts: KnownHostsOption = None,
    fetch_timeout: FetchTimeoutOption = None,
    source_record: SourceRecordOption = None,
    client: ClientOption = None,
    server: ServerOption = None,
    module: ModuleOption = None,
    requirements: RequirementsOption = None,
    app_name: AppNameOption = None,
    publisher: PublisherOption = None,
    app_version: AppVersionOption = None,
    fix: FixOption = False,
    dry_run: DryRunOption = False,
    local: LocalOption = False,
    nodes: NodesOption = 2,
    packages: WithOption = None,
    records: RecordsOption = None,
    plain: PlainOption = False,
) -> int:
    """Pack an app, start it, print the run's id, follow it, and end with its outcome."""
    return submitted(dict(locals()))


def submitted(given: dict[str, Any], before: Again | None = None) -> int:
    """Submit what the options say, or once more what ran `before`; return the exit code."""
    from flowerbed.flower import submission
    from flowerbed.flower.labels import labels
    from flowerbed.flower.options import key_of, share
    from flowerbed.flower.source.options import request
    from flowerbed.live.terminal import watcher

    told = labels(given["name"], given["tags"] or (), given["note"])
    order = submission.Order(
        app=before.app if before else request(given["app"], given, submission.seconds, given),
        config=given["config"],
        settings=(*(before.settings if before else ()), *(given["settings"] or ())),
        files=before.files if before else {},
        detach=given["detach"],
        timeout=submission.seconds(given["timeout"]) if given["timeout"] else None,
        pending_timeout=submission.seconds(given["pending_timeout"]) if given["pending_timeout"] else None,
        unreachable_timeout=submission.seconds(given["unreachable_timeout"]),
        on_interrupt=given["on_interrupt"],
        min_replies=share(given["min_replies"], all_of_them=given["require_all_replies"]),
        key=key_of(given["key"], ci=given["ci"]),
        json=given["json"],
        outcome=given["outcome"],
        libraries=libraries_of(given),
        fix=given["fix"],
        watcher=watcher(plain=given["plain"]),
    )
    if given["dry_run"]:
        return submission.dry_run(order)
    if given["local"]:
        return _submit_locally(given, order, told)
    demand_federation(given)
    flags = {name: given[name] for name in CONNECTION if given[name]}
    reload = connection_reader(given["file"], given["connection"], given["user"], flags)
    where = reload()
    root = records_folder(given["records"], given["file"])
    return _recorded(where, replace(order, reload=reload), root, told)


def _submit_locally(given: dict[str, Any], order: Order, told: Labels) -> int:
    from flowerbed.cli.common import narrate
    from flowerbed.flower import submission
    from flowerbed.local.throwaway import throwaway
    from flowerbed.runs import load_connection

    if named := [name for name in ("file", "connection", "user", "detach", *CONNECTION) if given[name]]:
        words = ", ".join(f"--{name.replace('_', '-')}" for name in named)
        raise UsageError(f"--local makes a federation of its own, which ends with the run: no {words}")

    def submitted(checked: Order) -> int:
        packages = given["packages"] or ()
        with throwaway(given["nodes"], narrate, wait=False, packages=packages) as federation:
            # A run on a federation that ends with this command cannot go on.
            ready = replace(checked, on_interrupt="stop", ephemeral=True)
            where = load_connection(federation.connection())
            return _recorded(where, ready, records_folder(given["records"], None), told)

    return submission.checked_first(order, submitted)


def demand_federation(given: dict[str, Any]) -> None:
    """Raise UsageError where neither a declaration nor a connection says where to run an app."""
    from flowerbed.cli.common import DEFAULT_FILE

    if given["packages"]:
        raise UsageError(
            "--with is for --local: elsewhere the images bring an app's packages",
            remedy="declare them in `images`, or add --local",
        )
    if not (given["file"] or given["connection"] or given["address"] or DEFAULT_FILE.exists()):
        raise UsageError(
            f"there is no {DEFAULT_FILE} in this directory, so no federation to submit to",
            remedy="--local runs the app on this machine alone; --connection FILE names a federation "
            "elsewhere; `flowerbed init` writes a declaration",
        )


def _recorded(where: Connection, order: Order, root: Path, told: Labels) -> int:
    from flowerbed.flower import runs as flower_runs
    from flowerbed.flower import submission
    from flowerbed.flower.interrupts import ignore_interruptions
    from flowerbed.local.node_logs import client_errors

    keeper = Keeper(where, root, labels=told)
    ready = replace(order, started=keeper.started, node_errors=partial(client_errors, where))
    code = submission.submit(where, ready)
    if code == flower_runs.INTERRUPTED:
        ignore_interruptions()
    # Nobody waits for the log of a run that is not followed.
    keeper.finish(ask=code != flower_runs.UNREACHABLE and not order.detach)
    return code
