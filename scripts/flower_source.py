"""Where an app comes from: folder, .fab, archive, git repository, loose files; made ready to be packed.

What is not a folder here already is fetched into a temporary folder, which is gone at the end. Nothing is
written to a folder of the user's, and nothing that is fetched is run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING or __package__:
    from . import flower_address as addresses
    from . import flower_archive as archives
    from .flower_connection import Invalid
else:  # lying beside the program that runs
    import flower_address as addresses
    import flower_archive as archives
    from flower_connection import Invalid

if TYPE_CHECKING:
    from .flower_inline import Inline

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


def _silent(_: str) -> None:
    pass


@contextlib.contextmanager
def prepared(request: Request, say: Callable[[str], None] = _silent) -> Iterator[Prepared]:
    """Give the app as a folder or file that `flower_app.load` takes; what was fetched is gone afterwards.

    `say` hears what is being fetched. Raises Invalid and Unreachable; what others say of the temporary folder
    meanwhile says the app's own address instead.
    """
    try:
        fetching = _needs_fetching(request)
    except OSError as error:
        raise Invalid(f"{request.app[:200]!r}: {error.strerror}") from None
    if not fetching:
        yield _recorded(_local(request), request)
        return
    with tempfile.TemporaryDirectory(prefix="flowerbed-app-", ignore_cleanup_errors=True) as scratch:
        found: Prepared | None = None
        try:
            found = _recorded(_fetch(request, Path(scratch), say), request)
            yield found
        except Invalid as error:
            name = found.source.location if found else "the app"
            here = str(found.path if found else scratch)
            if here not in error.what:
                raise
            raise Invalid(error.what.replace(here, name), error.remedy) from None


def _fetch(request: Request, scratch: Path, say: Callable[[str], None]) -> Prepared:
    if TYPE_CHECKING or __package__:  # it imports more than a folder needs
        from .flower_fetch import fetched
    else:
        from flower_fetch import fetched
    try:
        return fetched(request, scratch, say)
    except OSError as error:
        what = f"the app cannot be fetched into {scratch.parent}: {error.strerror or error}"
        raise Invalid(what, "TMPDIR=FOLDER names another place") from None


def _needs_fetching(request: Request) -> bool:
    app = Path(request.app)
    local = app.is_dir() and not request.ref and not _is_repository(app)
    return (
        request.inline is not None
        or not (local or app.suffix == ".fab" or not app.exists())
        or is_remote(request)
    )


def is_remote(request: Request) -> bool:
    """Tell whether the app is named by an address."""
    return addresses.is_address(request.app)


def _is_repository(folder: Path) -> bool:
    """Tell a bare git repository."""
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def _local(request: Request) -> Prepared:
    app, parts = Path(request.app), archives.safe_parts(request.path)
    refuse_useless(request, "a folder or file that is here", "ref", "submodules", *SECRETS)
    if not app.exists():
        raise Invalid(
            f"{request.app}: no such app", "name an app folder, a .fab file, an archive or an address"
        )
    if app.is_dir():
        refuse_useless(request, "a folder", "sha256")
        return Prepared(
            app.joinpath(*parts), Source(kind="folder", location=str(app.resolve()), path=request.path)
        )
    refuse_useless(request, "a .fab", "path")
    found = checked_sha256(request.app, sha256_of(app), request.sha256)
    return Prepared(app, Source(kind="fab", location=str(app.resolve()), sha256=found))


def sha256_of(file: Path) -> str:
    """Return a file's SHA-256 in hexadecimal. Raises Invalid."""
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise Invalid(f"{file}: {error.strerror}") from None


def checked_sha256(location: str, found: str, wanted: str) -> str:
    """Return the SHA-256 found. Raises Invalid if another one was wanted."""
    if wanted and wanted.lower() != found:
        raise Invalid(
            f"{location}: its SHA-256 is {found}, not {wanted}", "is it the right one, and complete?"
        )
    return found


def refuse_useless(request: Request, what: str, *names: str) -> None:
    """Refuse flags that would have no effect: whoever gives them expects one."""
    if given := [f"--{name.replace('_', '-')}" for name in names if getattr(request, name)]:
        raise Invalid(f"{what} takes no {', '.join(given)}", "leave it out")


def _recorded(found: Prepared, request: Request) -> Prepared:
    """Return an app with the record of where it was fetched from before, if there is one. Raises Invalid."""
    file = request.record
    if not file:
        return found
    try:
        return Prepared(found.path, Source(**json.loads(file.read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError) as error:
        raise Invalid(f"{file}: is not the record of a source: {error}") from None
