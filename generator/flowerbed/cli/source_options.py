"""The options that say where an app comes from; their texts are those of `flower/source/options.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowerbed.flower.source.options import APP_HELP, DRY_RUN_HELP, FIX_HELP, HELP


def _help(name: str) -> str:
    text = HELP[name]
    return f"{text[0].upper()}{text[1:]}."


AppArgument = Annotated[
    str | None, typer.Argument(metavar="[APP]", help=f"{APP_HELP[0].upper()}{APP_HELP[1:]}.")
]
RefOption = Annotated[str | None, typer.Option("--ref", metavar="REF", help=_help("ref"))]
PathOption = Annotated[str | None, typer.Option("--path", metavar="FOLDER", help=_help("path"))]
Sha256Option = Annotated[str | None, typer.Option("--sha256", metavar="HEX", help=_help("sha256"))]
SubmodulesOption = Annotated[bool, typer.Option("--submodules", help=_help("submodules"))]
TokenFileOption = Annotated[
    Path | None, typer.Option("--token-file", metavar="FILE", help=_help("token_file"))
]
UsernameOption = Annotated[str | None, typer.Option("--username", metavar="NAME", help=_help("username"))]
SshKeyOption = Annotated[Path | None, typer.Option("--ssh-key", metavar="FILE", help=_help("ssh_key"))]
KnownHostsOption = Annotated[
    Path | None, typer.Option("--known-hosts", metavar="FILE", help=_help("known_hosts"))
]
FetchTimeoutOption = Annotated[
    str | None, typer.Option("--fetch-timeout", metavar="TIME", help=_help("fetch_timeout"))
]
SourceRecordOption = Annotated[
    Path | None, typer.Option("--source-record", metavar="FILE", help=_help("source_record"))
]
ClientOption = Annotated[str | None, typer.Option("--client", metavar="CODE", help=_help("client"))]
ServerOption = Annotated[str | None, typer.Option("--server", metavar="CODE", help=_help("server"))]
ModuleOption = Annotated[list[Path] | None, typer.Option("--module", metavar="FILE", help=_help("module"))]
RequirementsOption = Annotated[
    Path | None, typer.Option("--requirements", metavar="FILE", help=_help("requirements"))
]
AppNameOption = Annotated[str | None, typer.Option("--app-name", metavar="NAME", help=_help("app_name"))]
PublisherOption = Annotated[str | None, typer.Option("--publisher", metavar="NAME", help=_help("publisher"))]
AppVersionOption = Annotated[
    str | None, typer.Option("--app-version", metavar="VERSION", help=_help("app_version"))
]
FixOption = Annotated[bool, typer.Option("--fix", help=f"{FIX_HELP[0].upper()}{FIX_HELP[1:]}.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help=f"{DRY_RUN_HELP[0].upper()}{DRY_RUN_HELP[1:]}.")
]
