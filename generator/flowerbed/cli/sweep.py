"""`flowerbed sweep`: a run for each combination of values, some at a time, resumed by the same command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowerbed.cli.common import FileOption, JsonOption, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.cli.label_options import NoteOption, TagOption
from flowerbed.cli.libraries import libraries_of
from flowerbed.cli.records import RecordsOption, records_folder
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
from flowerbed.cli.submit import (
    CONNECTION,
    AddressOption,
    CertificateOption,
    ConfigOption,
    FederationOption,
    InsecureOption,
    InterruptOption,
    KeyOption,
    LocalOption,
    MinRepliesOption,
    NodesOption,
    PlainOption,
    RepliesOption,
    RootOption,
    UnreachableOption,
    WithOption,
    demand_federation,
)
from flowerbed.cli.sweep_work import worked_off
from flowerbed.errors import UsageError
from flowerbed.flower.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from flowerbed.flower.app.app import App
    from flowerbed.flower.connection import Connection
    from flowerbed.sweeps.state import Sweep

GridOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUES", help="Values of a key: lr=0.01,0.1 or 1..3; repeatable."),
]

ParallelOption = Annotated[
    int, typer.Option("--parallel", min=1, metavar="N", help="Have N unfinished runs at most.")
]
BestOption = Annotated[
    str | None,
    typer.Option(
        "--best", metavar="KEY[:max]", help="Name the run whose figure is the smallest, or largest."
    ),
]
MaxRunsOption = Annotated[int, typer.Option("--max-runs", min=1, metavar="N", help="Allow N runs.")]
RunTimeoutOption = Annotated[
    str | None,
    typer.Option("--timeout", metavar="TIME", help="Stop a run that runs longer: 90s, 10m, 2h."),
]
SweepNameOption = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="The sweep's name, its runs' tag; default: the app's."),
]
RetryOption = Annotated[
    bool, typer.Option("--retry", help="Also run again what ended, and did not complete.")
]
RestartOption = Annotated[
    bool, typer.Option("--restart", help="Begin the sweep anew, finished runs included.")
]


def sweep(  # noqa: PLR0913, PLR0917  (one parameter an option)
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
    settings: GridOption = None,
    config: ConfigOption = None,
    parallel: ParallelOption = 1,
    best: BestOption = None,
    max_runs: MaxRunsOption = 1000,
    timeout: RunTimeoutOption = None,
    unreachable_timeout: UnreachableOption = "5m",
    on_interrupt: InterruptOption = "ask",
    min_replies: MinRepliesOption = None,
    require_all_replies: RepliesOption = False,
    json: JsonOption = False,
    name: SweepNameOption = None,
    tags: TagOption = None,
    note: NoteOption = None,
    retry: RetryOption = False,
    restart: RestartOption = False,
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
    """Submit an app once for each combination of run config values, at most N runs at a time.

    The same command resumes a sweep that was interrupted: finished runs are not run again.
    """
    return _interruptible(dict(locals()))


def _interruptible(given: dict[str, Any]) -> int:
    from flowerbed.flower.interrupts import interruptions

    with interruptions():
        return _swept(given)


def _swept(given: dict[str, Any]) -> int:
    from flowerbed.flower.app.app import load_for_run
    from flowerbed.flower.labels import labels
    from flowerbed.flower.options import seconds, share
    from flowerbed.flower.source.options import request
    from flowerbed.flower.source.prepare import prepared
    from flowerbed.records.query import order
    from flowerbed.sweeps.flower import Submission
    from flowerbed.sweeps.grid import axes, check, combinations
    from flowerbed.sweeps.queue import Limits
    from flowerbed.sweeps.state import claimed, fingerprint, opened

    best = order(given["best"]) if given["best"] else None
    told = labels(given["name"], given["tags"] or (), given["note"])
    patience = seconds(given["unreachable_timeout"])
    limits = Limits(
        parallel=given["parallel"],
        timeout=seconds(given["timeout"]) if given["timeout"] else None,
        patience=patience,
    )
    least = share(given["min_replies"], all_of_them=given["require_all_replies"])
    if not given["settings"]:
        raise UsageError("no values to try", remedy="give --set KEY=VALUE,VALUE or KEY=1..3")
    found = axes(given["settings"], given["max_runs"])
    grid = combinations(found)
    where = None if given["dry_run"] else _where(given)
    root = records_folder(given["records"], None if given["local"] else given["file"])
    with prepared(request(given["app"], given, seconds, {**given, "settings": grid[0]}), narrate) as ready:
        fix = narrate if given["fix"] else None
        app, _ = load_for_run(ready.path, None, (), libraries_of(given), fix)
        check(found, app.defaults, given["config"], {key: read.default for key, read in app.reads.items()})
        for text in app.warnings:
            narrate(f"warning: {text}")
        print_of_it = fingerprint(app.hash, given["config"], grid)
        name = told.name or f"{app.title.partition('/')[2].partition(' ')[0]}-{print_of_it[:6]}"
        if given["dry_run"]:
            state, _ = opened(root, name, print_of_it, grid, restart=given["restart"])
            return _previewed(state, app, json=given["json"])
        submitted = Submission(
            app=app, source=ready.source, config=given["config"], tags=told.tags, note=told.note,
            command=["flowerbed", *sys.argv[1:]], min_replies=least, patience=patience,
        )  # fmt: skip
        with claimed(root, name):
            state, old = opened(root, name, print_of_it, grid, restart=given["restart"])
            _begun(root, state, old=old, local=given["local"], retry=given["retry"])
            code = worked_off(state, submitted, limits, where, root, given)
    return _concluded(root, state, best, code, json=given["json"])


def _previewed(state: Sweep, app: App, *, json: bool) -> int:
    """Print the runs that would be submitted, those that have ended with their status."""
    from flowerbed.cli.sweep_view import as_data

    if json:
        say_json(as_data(state, [], None, 0))
        return 0
    narrate(f"app {app.title}: FAB {app.hash} ({len(app.fab):,} bytes)")
    for point in state.points:
        ended = f" ({point.status} before)" if point.exit_code is not None else ""
        say(printable(f"{point.name}: {', '.join(point.settings)}{ended}"))
    return 0


def _where(given: dict[str, Any]) -> Callable[[], Connection] | None:
    """Return what reads the connection, None for a federation of the sweep's own."""
    if given["local"]:
        if named := [name for name in ("file", "connection", "user", *CONNECTION) if given[name]]:
            words = ", ".join(f"--{name.replace('_', '-')}" for name in named)
            raise UsageError(f"--local makes a federation of its own, which ends with the sweep: no {words}")
        return None
    demand_federation(given)
    flags = {name: given[name] for name in CONNECTION if given[name]}
    return connection_reader(given["file"], given["connection"], given["user"], flags)


def _begun(root: Path, state: Sweep, *, old: bool, local: bool, retry: bool) -> None:
    from flowerbed.sweeps.flower import given_up
    from flowerbed.sweeps.state import file_of, saver

    for point in state.points:
        lost = local and point.exit_code is None  # it went with its federation
        if point.run_id and (lost or (retry and point.exit_code)):
            given_up(root, point)
    saver(root, state)()
    count = len(state.points)
    done = sum(point.exit_code is not None for point in state.points)
    if done == count:
        narrate(f"all {count} runs of {state.name} have ended before; --retry and --restart run more")
    elif old:
        narrate(f"{state.name} is resumed: {done} of {count} runs have ended before")
    else:
        narrate(f"{state.name}: {count} run{'s' * (count > 1)}; its state is in {file_of(root, state.name)}")


def _concluded(root: Path, state: Sweep, best: Any, code: int, *, json: bool) -> int:  # noqa: ANN401
    from flowerbed.cli.sweep_view import as_data, results, show

    reports, first = results(root, state, best)
    if json:
        say_json(as_data(state, reports, first, code))
    else:
        show(state, reports, first, best)
    return code
