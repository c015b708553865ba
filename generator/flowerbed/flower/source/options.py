"""The flags that say where an app comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..flags import flag, switch

if TYPE_CHECKING:
    from .inline import Inline
    from .request import Request

APP_HELP = "app directory, .fab, zip or tar archive, https://…, git+https://HOST/PATH@REF#subdirectory=DIR"
_PIECES = ("client", "server")
_OF_PIECES = (*_PIECES, "module", "requirements", "app_name", "publisher", "app_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFlags:
    """Where an app lies, or of which pieces it is made, and what happens to it before it is sent."""

    ref: str | None = flag("REF", "branch, tag or commit of a repository (default: its default branch)")
    path: str | None = flag("DIR", "the app's directory in the repository, archive or directory")
    sha256: str | None = flag("HEX", "SHA-256 that the archive or .fab must have")
    submodules: bool = switch("fetch the repository's submodules too")
    token_file: Path | None = flag("FILE", "token or password of a private archive or repository", kind=Path)
    username: str | None = flag("NAME", "user name for it, if the server requires one")
    ssh_key: Path | None = flag("FILE", "private key for git+ssh (default: as ssh is configured)", kind=Path)
    known_hosts: Path | None = flag(
        "FILE", "known host keys for git+ssh (default: as ssh is configured)", kind=Path
    )
    fetch_timeout: str | None = flag("TIME", "time limit for fetching (default: 5m)")
    source_record: Path | None = flag(
        "FILE", "JSON file that says where the app was fetched from earlier", kind=Path
    )
    client: str | None = flag(
        "CODE", "ClientApp, instead of APP: FILE.py, FILE.py:OBJECT, MODULE:OBJECT, OBJECT, or code"
    )
    server: str | None = flag("CODE", "ServerApp, in the same forms as --client")
    module: tuple[Path, ...] = flag(
        "FILE", "helper module or package for --client and --server; repeatable", kind=Path, repeatable=True
    )
    requirements: Path | None = flag("FILE", "requirements file for --client and --server", kind=Path)
    app_name: str | None = flag("NAME", "the app's name (default: inline)")
    publisher: str | None = flag("NAME", "the app's publisher (default: local)")
    app_version: str | None = flag("VERSION", "the app's version (default: 1.0.0)")
    fix: bool = switch("submit a corrected copy of the app, and show the changes")
    dry_run: bool = switch("show what would be sent; send nothing")

    def request(self, app: str | None, config: Path | None = None, settings: tuple[str, ...] = ()) -> Request:
        """Return what the flags ask for; an app of pieces gets its run config. Raises UsageError."""
        # Imported late: `flowerbed --help` reads the texts above, and shall be quick.
        from ..duration import seconds
        from ..errors import UsageError
        from .request import TIMEOUT, Request

        given = [name for name in _OF_PIECES if getattr(self, name)]
        pieces = [name for name in _PIECES if name in given]
        extra = [name.replace("_", "-") for name in given if name not in pieces]
        if len(pieces) == 1 or (extra and not pieces):
            raise UsageError(
                f"--{(pieces or extra)[0]} makes an app of pieces", "give both --client and --server"
            )
        if not pieces and not app:
            raise UsageError("which app?", "name an app directory, a .fab file, an archive or an address")
        return Request(
            app=app or "",
            inline=self._inline(config, settings) if pieces else None,
            ref=self.ref or "",
            path=self.path or "",
            sha256=self.sha256 or "",
            submodules=self.submodules,
            token_file=self.token_file,
            username=self.username or "",
            ssh_key=self.ssh_key,
            known_hosts=self.known_hosts,
            timeout=seconds(self.fetch_timeout) if self.fetch_timeout else TIMEOUT,
            record=self.source_record,
        )

    def _inline(self, config: Path | None, settings: tuple[str, ...]) -> Inline:
        from .inline import Inline, run_config

        named = {"name": self.app_name, "publisher": self.publisher, "version": self.app_version}
        return Inline(
            client=self.client or "",
            server=self.server or "",
            modules=self.module,
            requirements=self.requirements or (),
            config=run_config(config, settings),
            **{field: value for field, value in named.items() if value},
        )
