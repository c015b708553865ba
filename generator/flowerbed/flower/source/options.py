"""The flags that say where an app comes from, for both command lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .request import Request

APP_HELP = "app folder, .fab, zip or tar archive, https://…, git+https://HOST/PATH@REF#subdirectory=FOLDER"
# Of where the app lies: flag, metavar ("": a switch), type, help.
WHERE: tuple[tuple[str, str, Callable[[str], Any], str], ...] = (
    ("ref", "REF", str, "branch, tag or commit of a repository (default: its default branch)"),
    ("path", "FOLDER", str, "the app's folder in the repository, archive or folder"),
    ("sha256", "HEX", str, "that the archive or .fab must have"),
    ("submodules", "", bool, "fetch the repository's submodules too"),
    ("token-file", "FILE", Path, "token or password of a private archive or repository"),
    ("username", "NAME", str, "its user, where the server wants one"),
    ("ssh-key", "FILE", Path, "private key for git+ssh (default: your ssh's own)"),
    ("known-hosts", "FILE", Path, "keys that the host may have, for git+ssh (default: your ssh's own)"),
    ("fetch-timeout", "TIME", str, "how long fetching may take (default: 5m)"),
    ("source-record", "FILE", Path, "JSON that says where an app was fetched from before"),
)
# Of an app made of loose pieces, instead of APP.
PIECES: tuple[tuple[str, str, Callable[[str], Any], str], ...] = (
    (
        "client",
        "CODE",
        str,
        "instead of APP: FILE.py, FILE.py:OBJECT, MODULE:OBJECT, OBJECT, or code",
    ),
    ("server", "CODE", str, "the same for the server"),
    ("module", "FILE", Path, "a helper module or package for them; repeatable"),
    ("requirements", "FILE", Path, "requirements list for them"),
    ("app-name", "NAME", str, "the app's name (default: inline)"),
    ("publisher", "NAME", str, "the app's publisher (default: local)"),
    ("app-version", "VERSION", str, "the app's version (default: 1.0.0)"),
)
HELP = {flag.replace("-", "_"): text for flag, _, _, text in (*WHERE, *PIECES)}
FIX_HELP = "submit a corrected copy of an app that Flower would refuse, and show what is changed"
DRY_RUN_HELP = "show what would be sent, and send nothing"


def add_to(add: Callable[..., Any]) -> None:
    """Add the flags by an argument parser's `add_argument`."""
    for flag, metavar, kind, text in (*WHERE, *PIECES):
        if not metavar:
            add(f"--{flag}", action="store_true", help=text)
        elif flag == "module":
            add("--module", action="append", type=kind, default=[], metavar=metavar, help=text)
        else:
            add(f"--{flag}", type=kind, metavar=metavar, help=text)
    add("--fix", action="store_true", help=FIX_HELP)
    add("--dry-run", action="store_true", help=DRY_RUN_HELP)


def request(
    app: str | None, given: Mapping[str, Any], seconds: Callable[[str], float], config: Mapping[str, Any]
) -> Request:
    """Return what the flags ask for: `given` by name with underscores, `config` with config and settings.

    Raises UsageError.
    """
    # Imported late: `flowerbed --help` reads the texts above, and shall be quick.
    from ..errors import UsageError
    from .request import Request

    names = ("ref", "path", "sha256", "token_file", "username", "ssh_key", "known_hosts")
    said: dict[str, Any] = {name: given[name] for name in names if given.get(name)}
    if given.get("fetch_timeout"):
        said["timeout"] = seconds(given["fetch_timeout"])
    pieces = [name for name in ("client", "server") if given.get(name)]
    extra = [flag for flag, *_ in PIECES if given.get(flag.replace("-", "_")) and flag not in pieces]
    if len(pieces) == 1 or (extra and not pieces):
        raise UsageError(
            f"--{(pieces or extra)[0]} makes an app of pieces", "give both --client and --server"
        )
    if not pieces and not app:
        raise UsageError("which app?", "name an app folder, a .fab file, an archive or an address")
    return Request(
        app=app or "",
        inline=_inline(given, config) if pieces else None,
        submodules=bool(given.get("submodules")),
        record=given.get("source_record"),
        **said,
    )


def _inline(given: Mapping[str, Any], config: Mapping[str, Any]) -> Any:  # noqa: ANN401  (an Inline, imported late)
    from .inline import Inline, run_config

    names = {"app_name": "name", "publisher": "publisher", "app_version": "version"}
    return Inline(
        client=given["client"],
        server=given["server"],
        modules=tuple(given.get("module") or ()),
        requirements=given.get("requirements") or (),
        config=run_config(config.get("config"), tuple(config.get("settings") or ())),
        **{field: given[name] for name, field in names.items() if given.get(name)},
    )
