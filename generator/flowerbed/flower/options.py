"""The flags of a submission, and what their values mean; those of an app's source lie with that."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .flags import add_flags, flag, switch
from .labels import NAME_HELP, NOTE_HELP, TAG_HELP, Labels, labels
from .source.options import APP_HELP, SourceFlags

if TYPE_CHECKING:
    import argparse


Interrupt = Literal["ask", "leave", "stop"]
EPILOG = """exit codes: 0 completed, 1 failed, 2 wrong usage or app, 3 unreachable or not allowed, 4 stopped,
5 timed out (the run continues), 130 interrupted"""


@dataclass(frozen=True, kw_only=True)
class ConnectionFlags:
    """Where a SuperLink is, and how to show who one is; they override what a connection file says."""

    address: str | None = flag("HOST:PORT", "address of the SuperLink's Control API")
    root_certificates: Path | None = flag(
        "FILE", "CA certificates to trust (default: the system's)", kind=Path
    )
    client_certificate: Path | None = flag("FILE", "your certificate (PEM)", kind=Path)
    client_key: Path | None = flag("FILE", "your private key (PEM, not encrypted)", kind=Path)
    insecure: bool = switch("connect without TLS (plain HTTP)")
    federation: str | None = flag("NAME", "federation on the SuperLink (default: its only one)")

    def overrides(self) -> dict[str, Any]:
        """Return those that are given, by the fields of a Connection."""
        named = {one.name: getattr(self, one.name) for one in dataclasses.fields(ConnectionFlags)}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFlags:
    """With what a run is started."""

    settings: tuple[str, ...] = flag(
        "KEY=VALUE", "override run config; repeatable", words=("--set",), repeatable=True
    )
    config: Path | None = flag("FILE", "TOML file that overrides run config", kind=Path)
    key: str | None = flag("NAME", "attach to the run that this key started, if there is one")
    ci: bool = switch("like --key, with a key made from the app, its config and the user")
    detach: bool = switch("return once the run has started")

    def run_key(self) -> str | None:
        """Return the key of the submission, with `--ci` an empty one. Raises UsageError."""
        from .errors import UsageError

        if self.key == "":
            raise UsageError("--key needs a name", "--ci takes app, run config and user alone for the key")
        return "" if self.ci and self.key is None else self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowOptions:
    """How to follow: times in seconds, `say` takes a line of narration, `log` a piece of the run's log.

    `on_interrupt`: "ask" asks on a terminal after Ctrl-C, and is "leave" everywhere else.
    `min_replies`: a run that completed with a smaller share of good replies (0 to 1) in a phase of a round
    counts as failed.
    `pending_timeout` ends the following of a run whose ServerApp has not begun by then; it counts only while
    no other run goes on, behind which this one may have to wait.
    With `ephemeral` the federation ends with the following, so a run that exceeds a limit is stopped.
    `node_errors` gives exceptions of a run's ClientApps by node, where their logs can be read.
    `look` takes the run's status and its ClientApps' seconds at each poll (`Watcher.look`).
    """

    say: Callable[[str], None] = lambda _: None
    log: Callable[[str], None] = lambda _: None
    timeout: float | None = None
    pending_timeout: float | None = None
    unreachable_timeout: float = 300.0
    on_interrupt: Interrupt = "leave"
    min_replies: float = 0.0
    ephemeral: bool = False
    look: Callable[[str, float], None] = lambda *_: None
    node_errors: Callable[[str], Mapping[str, str]] = lambda _: {}


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowFlags:
    """How long a run is followed, and what its outcome has to be."""

    timeout: str | None = flag("TIME", "stop following after this time: 90, 90s, 10m, 2h")
    pending_timeout: str | None = flag("TIME", "stop following after this time if no ServerApp is started")
    unreachable_timeout: str = flag(
        "TIME", "keep retrying an unreachable SuperLink for this long", default="5m"
    )
    on_interrupt: Interrupt = flag(
        "",
        "what to do with the run on Ctrl-C: leave it, stop it, or ask on a terminal (elsewhere leave it)",
        default="ask",
        choices=("ask", "leave", "stop"),
    )
    min_replies: str | None = flag(
        "SHARE", "exit code 1 if a phase of a round has a smaller share of good replies, such as 0.8"
    )
    require_all_replies: bool = switch("the same as --min-replies 1")
    json: bool = switch("print the outcome as the last line on stdout")
    outcome: Path | None = flag("FILE", "write the outcome as JSON to a file", kind=Path)

    def options(self) -> FollowOptions:
        """Return what the texts mean. Raises UsageError."""
        from .duration import seconds

        return FollowOptions(
            timeout=seconds(self.timeout) if self.timeout else None,
            pending_timeout=seconds(self.pending_timeout) if self.pending_timeout else None,
            unreachable_timeout=seconds(self.unreachable_timeout),
            on_interrupt=self.on_interrupt,
            min_replies=share(self.min_replies, all_of_them=self.require_all_replies),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFlags:
    """What a run is called."""

    name: str | None = flag("NAME", NAME_HELP)
    tags: tuple[str, ...] = flag("TAG", TAG_HELP, words=("--tag",), repeatable=True)
    note: str | None = flag("TEXT", NOTE_HELP)

    def labels(self) -> Labels:
        """Return the labels. Raises UsageError for one that cannot be."""
        return labels(self.name, self.tags, self.note)


def share(text: str | None, *, all_of_them: bool = False) -> float:
    """Read the share of good replies that a run needs, as of `--min-replies`. Raises UsageError."""
    from .errors import UsageError

    if all_of_them:
        return 1.0
    if text is None:
        return 0.0
    if not re.fullmatch(r"0?\.[0-9]{1,9}|[01](?:\.0{1,9})?", text):
        raise UsageError(f"--min-replies {text} is not a share", "write a number from 0 to 1, such as 0.8")
    return float(text)


def parser(description: str) -> argparse.ArgumentParser:
    """Return the parser of `submit.py`'s command line."""
    import argparse  # `flowerbed` reads the flags above without it

    made = argparse.ArgumentParser(description=description, epilog=EPILOG)
    add = made.add_argument
    add("app", nargs="?", metavar="APP", help=APP_HELP)
    add_flags(made, SourceFlags)
    add("--connection", type=Path, metavar="FILE", help="connection.toml; the flags below override it")
    for group in (ConnectionFlags, StartFlags, FollowFlags):
        add_flags(made, group)
    add("--record", type=Path, metavar="DIR", help="keep a record of the run in DIR/RUN")
    add_flags(made, LabelFlags, "with --record: ")
    return made
