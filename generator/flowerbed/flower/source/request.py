"""Where an app comes from: what is asked for, what was found, and the checks that all kinds share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import UsageError
from . import address as addresses

if TYPE_CHECKING:
    from .inline import Inline

Kind = Literal["folder", "fab", "archive", "git", "inline"]
TIMEOUT = 300.0  # seconds for fetching
SECRETS = ("token_file", "username", "ssh_key", "known_hosts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an app came from, for a run's record; nothing secret is in it.

    `location` is a path or an address, `ref` what was asked for and `commit` what that was, `path` the folder
    in it, `sha256` of the archive or .fab in hexadecimal. What does not apply is "".
    """

    kind: Kind
    location: str
    ref: str = ""
    commit: str = ""
    path: str = ""
    sha256: str = ""

    def __str__(self) -> str:
        named = {"ref": self.ref, "commit": self.commit, "folder": self.path, "SHA-256": self.sha256}
        return ", ".join(
            [f"{self.kind} {self.location}", *(f"{name} {value}" for name, value in named.items() if value)]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which app, and how to get at it. The files hold secrets, which are shown to the app's own host alone.

    `app` is a path or an address; `inline` stands for it. `timeout` in seconds; `record` is the JSON of a
    Source, for an app that was fetched before.
    """

    app: str = ""
    inline: Inline | None = None
    ref: str = ""
    path: str = ""
    sha256: str = ""
    submodules: bool = False
    token_file: Path | None = None
    username: str = ""
    ssh_key: Path | None = None
    known_hosts: Path | None = None
    timeout: float = TIMEOUT
    record: Path | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """An app on this machine: a folder or a .fab file, and where it came from."""

    path: Path
    source: Source


def is_remote(request: Request) -> bool:
    """Tell whether the app is named by an address."""
    return addresses.is_address(request.app)


def sha256_of(file: Path) -> str:
    """Return a file's SHA-256 in hexadecimal. Raises UsageError."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None


def checked_sha256(location: str, found: str, wanted: str) -> str:
    """Return the SHA-256 found. Raises UsageError if another one was wanted."""
    if wanted and wanted.lower() != found:
        raise UsageError(
            f"{location}: its SHA-256 is {found}, not {wanted}", "is it the right one, and complete?"
        )
    return found


def refuse_useless(request: Request, what: str, *names: str) -> None:
    """Refuse flags that would have no effect: whoever gives them expects one."""
    if given := [f"--{name.replace('_', '-')}" for name in names if getattr(request, name)]:
        raise UsageError(f"{what} takes no {', '.join(given)}", "leave it out")
