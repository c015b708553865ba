"""Download an app over HTTP: bounded in size, time and redirects, and compared with a hash.

A proxy of the environment (HTTPS_PROXY) is used, and SSL_CERT_FILE names whom to trust,
as elsewhere in Python.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..errors import UnreachableError, UsageError
from ..text import plain
from .address import shown
from .archive import CHUNK

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
                f"{shown(url)}: it broke off after {size:,} of {int(said):,} bytes", "try again"
            )
    return found


def _save(reply: http.client.HTTPResponse, to: Path, deadline: float) -> tuple[int, str]:
    """Return how many bytes came, and their SHA-256."""
    found, size = hashlib.sha256(), 0
    with to.open("wb") as file:
        # read1 gives what is there: a server that drips does not hold us past the deadline.
        while piece := reply.read1(CHUNK):
            size += len(piece)
            if size > LARGEST:
                raise UsageError(f"{shown(reply.url)}: more than {LARGEST:,} bytes", "pack the app alone")
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
            raise UnreachableError(f"{shown(req.full_url)}: leads on to {shown(newurl)}, which is not https")
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
        raise UsageError(f"{shown(url)}: is not an address") from None


def _refusal(url: str, error: urllib.error.HTTPError) -> UsageError | UnreachableError:
    what = f"{shown(url)}: the server answers {error.code} {plain(str(error.reason))}"[:500]
    if error.code in {401, 403, 407}:
        return UnreachableError(
            what, "--token-file FILE shows who you are; is the token right, and still valid?"
        )
    if error.code in {404, 410}:
        return UsageError(what, "is the address right? Some servers hide what needs --token-file like this")
    if 300 <= error.code < 400:
        return UnreachableError(
            f"{shown(url)}: more than {MOST_REDIRECTS} redirects, or one that leads nowhere"
        )
    return UnreachableError(what, "try again later")


def _unreachable(url: str, error: Exception) -> UnreachableError:
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = "SSL_CERT_FILE=FILE names another CA to trust"
        return UnreachableError(
            f"{shown(url)}: its certificate is not trusted: {error.verify_message}", remedy
        )
    if isinstance(error, TimeoutError):
        return UnreachableError(
            f"{shown(url)}: it takes too long", "try again; --fetch-timeout gives it more time"
        )
    said = getattr(error, "strerror", None) or re.sub(r"^<.*?>$", "", str(error)) or type(error).__name__
    return UnreachableError(f"{shown(url)}: {plain(said)}"[:500])
