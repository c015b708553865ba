"""Make an app ready to be packed: a folder or a .fab here as it is, everything else fetched first.

What is fetched goes into a temporary folder, which is gone at the end. Nothing is written to a folder of the
user's, and nothing that is fetched is run.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import UsageError
from .address import safe_parts
from .request import SECRETS, Prepared, Request, Source, checked_sha256, is_remote, refuse_useless, sha256_of


def _silent(_: str) -> None:
    pass


@contextlib.contextmanager
def prepared(request: Request, say: Callable[[str], None] = _silent) -> Iterator[Prepared]:
    """Give the app as a folder or file that `app.load` takes; what was fetched is gone afterwards.

    `say` hears what is being fetched. Raises UsageError and UnreachableError; what others say of the
    temporary folder meanwhile says the app's own address instead.
    """
    try:
        fetching = _needs_fetching(request)
    except OSError as error:
        raise UsageError(f"{request.app[:200]!r}: {error.strerror}") from None
    if not fetching:
        yield _recorded(_local(request), request)
        return
    with tempfile.TemporaryDirectory(prefix="flowerbed-app-", ignore_cleanup_errors=True) as scratch:
        found: Prepared | None = None
        try:
            found = _recorded(_fetch(request, Path(scratch), say), request)
            yield found
        except UsageError as error:
            name = found.source.location if found else "the app"
            here = str(found.path if found else scratch)
            if here not in error.what:
                raise
            raise UsageError(error.what.replace(here, name), error.remedy) from None


def _fetch(request: Request, scratch: Path, say: Callable[[str], None]) -> Prepared:
    from .fetch import fetched  # it imports more than a folder needs

    try:
        return fetched(request, scratch, say)
    except OSError as error:
        what = f"the app cannot be fetched into {scratch.parent}: {error.strerror or error}"
        raise UsageError(what, "TMPDIR=DIR names another place") from None


def _needs_fetching(request: Request) -> bool:
    app = Path(request.app)
    local = app.is_dir() and not request.ref and not _is_repository(app)
    return (
        request.inline is not None
        or not (local or app.suffix == ".fab" or not app.exists())
        or is_remote(request)
    )


def _is_repository(folder: Path) -> bool:
    """Tell a bare git repository."""
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def _local(request: Request) -> Prepared:
    app, parts = Path(request.app), safe_parts(request.path)
    refuse_useless(request, "a local directory or file", "ref", "submodules", *SECRETS)
    if not app.exists():
        raise UsageError(
            f"{request.app}: no such app", "name an app directory, a .fab file, an archive or an address"
        )
    if app.is_dir():
        refuse_useless(request, "a directory", "sha256")
        return Prepared(
            app.joinpath(*parts), Source(kind="folder", location=str(app.resolve()), path=request.path)
        )
    refuse_useless(request, "a .fab", "path")
    found = checked_sha256(request.app, sha256_of(app), request.sha256)
    return Prepared(app, Source(kind="fab", location=str(app.resolve()), sha256=found))


def _recorded(found: Prepared, request: Request) -> Prepared:
    """Return an app with the record of where it was fetched from before, if any. Raises UsageError."""
    file = request.record
    if not file:
        return found
    try:
        return Prepared(found.path, Source(**json.loads(file.read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{file}: is not the record of a source: {error}") from None
