"""Fetch an app that is no folder here yet into a temporary folder: archive, repository, loose files.

What is downloaded over HTTP is bounded in size, time and redirects, and compared with a hash. A proxy of the
environment (HTTPS_PROXY) is used, and SSL_CERT_FILE names whom to trust, as elsewhere in Python.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import os
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO
from urllib.parse import quote

from ..errors import UnreachableError, UsageError
from ..text import plain
from . import address as addresses
from . import archive as archives
from .git import export
from .inline import write_app
from .request import SECRETS, Prepared, Request, Source, checked_sha256, is_remote, refuse_useless, sha256_of

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\n"
# What Flower packs (flwr 1.41: common/constant.py, FAB_INCLUDE_PATTERNS); other pointers do no harm.
PACKED = frozenset({".py", ".toml", ".md", ".yaml", ".yml", ".json", ".jsonl"})


def fetched(request: Request, scratch: Path, say: Callable[[str], None]) -> Prepared:
    """Fetch the app into a folder that is ours. Raises UsageError, UnreachableError."""
    to = scratch / "app"
    if request.inline is not None:
        _check_inline(request)
        write_app(request.inline, to)
        return Prepared(to, Source(kind="inline", location="inline"))
    if Path(request.app).is_file():
        refuse_useless(request, "a file that is here", "ref", "submodules", *SECRETS)
        path = Path(request.app)
        found = checked_sha256(request.app, sha256_of(path), request.sha256)
        return _unpacked(
            request, path, to, Source(kind="archive", location=str(path.resolve()), sha256=found)
        )
    text = request.app if is_remote(request) else f"git+file://{quote(str(Path(request.app).resolve()))}"
    address = addresses.parse(text, git=bool(request.ref or request.submodules))
    for key in ("ref", "path", "sha256"):
        said, flag = getattr(address, key), getattr(request, key)
        if said and flag and said != flag:
            raise UsageError(f"{addresses.shown(text)}: --{key} {flag} says otherwise", "say it once")
        request = replace(request, **{key: said or flag})
    say(f"fetching {addresses.shown(text)}")
    fetch = _from_git if address.git else _from_web
    return fetch(request, address.url, to)


def _check_inline(request: Request) -> None:
    if request.app:
        raise UsageError(
            f"{addresses.shown(request.app)}: an app is either named, or made of --client and --server",
            "drop one",
        )
    refuse_useless(request, "an app made of pieces", "ref", "path", "sha256", "submodules", *SECRETS)


def _from_git(request: Request, url: str, to: Path) -> Prepared:
    refuse_useless(request, "a repository", "sha256")
    credentials = _credentials(request, url.partition(":")[0])
    repository = addresses.Repository(
        url=url,
        ref=request.ref,
        path=request.path,
        submodules=request.submodules,
        credentials=credentials,
    )
    commit = export(repository, to, timeout=request.timeout)
    _refuse_lfs(to, url)
    source = Source(kind="git", location=url, ref=request.ref, commit=commit, path=request.path)
    return Prepared(to, source)


def _credentials(request: Request, scheme: str) -> addresses.Credentials:
    useless = {"https": ("ssh_key", "known_hosts"), "ssh": ("token_file", "username"), "file": SECRETS}
    refuse_useless(request, f"{scheme}:", *useless[scheme])
    if request.username and not request.token_file:
        raise UsageError("--username without --token-file", "name the file with the token or password")
    for file in (request.token_file, request.ssh_key, request.known_hosts):
        if file and not file.is_file():
            raise UsageError(f"{file}: no such file")
    key = request.ssh_key
    if key and key.stat().st_uid == os.getuid() and key.stat().st_mode & 0o077:
        raise UsageError(
            f"{key}: others on this machine may read this key, so ssh will not take it", f"chmod 600 {key}"
        )
    if request.token_file:
        read_secret(request.token_file)
    return addresses.Credentials(
        token=request.token_file,
        username=request.username,
        ssh_key=key,
        known_hosts=request.known_hosts,
    )


def _from_web(request: Request, url: str, to: Path) -> Prepared:
    refuse_useless(request, "an archive", "ref", "submodules", "ssh_key", "known_hosts")
    shown = addresses.shown(url)
    if url.startswith("http:") and not request.sha256:
        raise UsageError(
            f"{shown}: without TLS anybody on the way can change the app", "write https, or add --sha256"
        )
    if url.startswith("http:") and request.token_file:
        raise UsageError(f"{shown}: without TLS everybody on the way would see the token", "write https")
    header = authorization(request.token_file, request.username) if request.token_file else ""
    file = to.with_name("download.fab")
    found = download(url, file, header, timeout=request.timeout)
    source = Source(kind="archive", location=shown, sha256=checked_sha256(shown, found, request.sha256))
    return _unpacked(request, file, to, source)


def _unpacked(request: Request, file: Path, to: Path, source: Source) -> Prepared:
    """Return the app in an archive; one that is a FAB stays packed."""
    try:
        archives.unpack(file, to)
        if (to / ".info/CONTENT").is_file():
            refuse_useless(request, "a .fab", "path")
            return Prepared(file, replace(source, kind="fab"))
        folder = archives.app_folder(to, request.path)
    except UsageError as error:
        raise UsageError(f"{source.location}: {error.what}", error.remedy) from None
    _refuse_lfs(folder, source.location)
    return Prepared(folder, replace(source, path=request.path))


def _refuse_lfs(folder: Path, location: str) -> None:
    files = (file for file in sorted(folder.rglob("*")) if file.suffix in PACKED and file.is_file())
    found = [str(file.relative_to(folder)) for file in files if _begins_with(file, LFS_POINTER)]
    if found:
        names = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        raise UsageError(
            f"{location}: the repository has only Git LFS pointers in place of {names}",
            "keep code outside of Git LFS, or submit a clone in which `git lfs pull` was run",
        )


def _begins_with(file: Path, start: bytes) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(start)) == start


LARGEST = 128 * 1024 * 1024  # bytes of a download
LARGEST_SECRET = 64 * 1024
MOST_REDIRECTS = 5
SILENCE = 30.0  # seconds without a byte


def download(url: str, to: Path, authorization: str = "", *, timeout: float) -> str:
    """Write what lies at an address to a file and return its SHA-256; `timeout` in seconds for all of it.

    `authorization` is shown to this host alone. Raises UsageError, UnreachableError.
    """
    deadline = time.monotonic() + timeout
    request = urllib.request.Request(url, headers={"User-Agent": "flowerbed"})  # noqa: S310  (checked before)
    if authorization:
        # A redirect leads elsewhere, which this is not for.
        request.add_unredirected_header("Authorization", authorization)
    with _explained(url), _opener().open(request, timeout=min(SILENCE, timeout)) as reply:
        size, found = _save(reply, to, deadline)
        said = reply.headers.get("Content-Length", "")
        if said.isdecimal() and size != int(said):
            raise UnreachableError(
                f"{addresses.shown(url)}: it broke off after {size:,} of {int(said):,} bytes", "try again"
            )
    return found


def _save(reply: http.client.HTTPResponse, to: Path, deadline: float) -> tuple[int, str]:
    """Return how many bytes came, and their SHA-256."""
    found, size = hashlib.sha256(), 0
    with to.open("wb") as file:
        # read1 gives what is there: a server that drips does not hold us past the deadline.
        while piece := reply.read1(archives.CHUNK):
            size += len(piece)
            if size > LARGEST:
                raise UsageError(
                    f"{addresses.shown(reply.url)}: more than {LARGEST:,} bytes", "pack the app alone"
                )
            if time.monotonic() > deadline:
                raise TimeoutError("it takes too long")
            found.update(piece)
            file.write(piece)
    return size, found.hexdigest()


def authorization(secret: Path, username: str = "") -> str:
    """Return the header for a secret in a file: with a name Basic; else a whole header, or a bearer token."""
    text = read_secret(secret)
    if username:
        return "Basic " + base64.b64encode(f"{username}:{text}".encode()).decode()
    return text if " " in text else f"Bearer {text}"


def read_secret(file: Path) -> str:
    """Return a secret, which is one line. Raises UsageError, which does not show it."""
    try:
        with file.open("rb") as opened:
            text = opened.read(LARGEST_SECRET).decode("utf-8").strip()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        raise UsageError(f"{file}: is not a token", "one line of text is expected")
    return text


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, and none from https to anything else."""

    max_redirections = MOST_REDIRECTS

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the next request. Raises UnreachableError."""
        scheme = urllib.parse.urlsplit(newurl).scheme
        if scheme not in {"https", req.type}:
            fp.close()
            raise UnreachableError(
                f"{addresses.shown(req.full_url)}: leads on to {addresses.shown(newurl)}, which is not https"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener that knows HTTP and nothing else: no files, no FTP, no `data:`."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        _Redirects(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


@contextlib.contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn what urllib raises into one sentence."""
    try:
        yield
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(url, error) from None
    except urllib.error.URLError as error:
        reason = error.reason if isinstance(error.reason, Exception) else OSError(error.reason)
        raise _unreachable(url, reason) from None
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(url, error) from None
    except ValueError:  # of the address itself
        raise UsageError(f"{addresses.shown(url)}: is not an address") from None


def _refusal(url: str, error: urllib.error.HTTPError) -> UsageError | UnreachableError:
    what = f"{addresses.shown(url)}: the server answers {error.code} {plain(str(error.reason))}"[:500]
    if error.code in {401, 403, 407}:
        return UnreachableError(
            what, "--token-file FILE shows who you are; is the token right, and still valid?"
        )
    if error.code in {404, 410}:
        return UsageError(what, "is the address right? Some servers hide what needs --token-file like this")
    if 300 <= error.code < 400:
        return UnreachableError(
            f"{addresses.shown(url)}: more than {MOST_REDIRECTS} redirects, or one that leads nowhere"
        )
    return UnreachableError(what, "try again later")


def _unreachable(url: str, error: Exception) -> UnreachableError:
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = "SSL_CERT_FILE=FILE names another CA to trust"
        return UnreachableError(
            f"{addresses.shown(url)}: its certificate is not trusted: {error.verify_message}", remedy
        )
    if isinstance(error, TimeoutError):
        return UnreachableError(
            f"{addresses.shown(url)}: it takes too long", "try again; --fetch-timeout gives it more time"
        )
    said = getattr(error, "strerror", None) or re.sub(r"^<.*?>$", "", str(error)) or type(error).__name__
    return UnreachableError(f"{addresses.shown(url)}: {plain(said)}"[:500])
