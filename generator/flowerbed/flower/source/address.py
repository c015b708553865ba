"""Addresses of apps: archives over http(s), git repositories; and what opens them.

    https://HOST/app.tar.gz#subdirectory=DIR&sha256=HEX
    git+https://HOST/PATH@REF#subdirectory=DIR        also git+ssh, git+file

The syntax is pip's (https://pip.pypa.io/en/stable/topics/vcs-support/).
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UsageError
from ..text import plain

GIT_SCHEMES = ("https", "ssh", "file")
WEB_SCHEMES = ("https", "http")
DEEPEST = 32  # directories of a path
# git-check-ref-format(1), and never a flag of git's.
REF = re.compile(r"(?!-)(?!.*(\.\.|@\{|//))[^\x00-\x20\x7f~^:?*\[\\]{1,255}")
SCP = re.compile(r"([A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+):(?!//)/?(.+)")  # git's short form for ssh


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Files with what a private repository asks for: paths, never the secrets themselves."""

    token: Path | None = None
    username: str = ""
    ssh_key: Path | None = None
    known_hosts: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """What to fetch: `ref` is a branch, tag or commit, "" for the default branch."""

    url: str
    ref: str = ""
    path: str = ""
    submodules: bool = False
    credentials: Credentials = field(default_factory=Credentials)

    def __post_init__(self) -> None:
        if self.ref and not REF.fullmatch(self.ref):
            raise UsageError(f"{plain(self.ref)!r} is not a branch, tag or commit")

    @property
    def scheme(self) -> str:
        """Return the transport."""
        return self.url.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address in its parts: `url` is what is fetched from, the rest what was said of it."""

    url: str
    git: bool
    ref: str = ""
    path: str = ""
    sha256: str = ""


def is_address(text: str) -> bool:
    """Tell an address from a path."""
    looks = re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", text) or SCP.fullmatch(text)
    return bool(looks) and not Path(text).exists()


def parse(text: str, *, git: bool = False) -> Address:
    """Take an address apart; `git`: it is a repository's, whatever it looks like. Raises UsageError."""
    url, _, fragment = _without_scp(text).partition("#")
    extra = dict(urllib.parse.parse_qsl(fragment))
    unknown = sorted(set(extra) - {"subdirectory", "sha256", "egg"})
    if unknown or (fragment and not extra):
        named = f": {plain(', '.join(unknown))}" if unknown else ""
        raise UsageError(f"{shown(url)}: unknown after `#`{named}", "write #subdirectory=DIR")
    path, sha256 = extra.get("subdirectory", ""), extra.get("sha256", "")
    git = git or bool(re.match(r"git\+|ssh:|[^?]*\.git(@[^?]*)?$", url))
    if not git:
        return Address(url=checked_url(url, WEB_SCHEMES), git=False, path=path, sha256=sha256)
    if sha256:
        raise UsageError(f"{shown(text)}: a repository has no sha256", "name a full commit")
    found = re.fullmatch(r"(?:git\+)?([a-z]+://[^/]*/.*?)(?:@([^@]*))?", url, re.DOTALL)
    url, ref = (found[1], found[2] or "") if found else (url.removeprefix("git+"), "")
    return Address(url=checked_url(url, GIT_SCHEMES), git=True, ref=ref, path=path)


def _without_scp(text: str) -> str:
    found = SCP.fullmatch(text.removeprefix("git+"))
    return f"ssh://{found[1]}/{found[2]}" if found else text


def checked_url(url: str, schemes: tuple[str, ...], where: str = "") -> str:
    """Return an address that can be fetched from. Raises UsageError, which shows no password."""
    bare = f"{where}{shown(url)!r}"
    if not url.isprintable() or " " in url:
        raise UsageError(f"{bare}: an address has no spaces and no control characters")
    try:
        split = urllib.parse.urlsplit(url)
        port, host = split.port, split.hostname or ""
    except ValueError:
        raise UsageError(f"{bare} is not an address") from None
    if split.scheme not in schemes:
        raise UsageError(f"{bare}: an app cannot be fetched like this", f"use {', '.join(schemes)}")
    if split.password is not None or (split.username is not None and split.scheme != "ssh"):
        raise UsageError(
            f"{bare}: credentials in an address are seen by everybody",
            "put the token into a file instead; --token-file names it, --username its user",
        )
    if schemes == GIT_SCHEMES and "?" in url:
        raise UsageError(
            f"{bare}: a repository's address has no query, which programs and logs would show",
            "put a token into a file instead; --token-file names it",
        )
    if split.scheme == "file" and (host or not split.path.startswith("/")):
        raise UsageError(f"{bare}: write file:///PATH, from the root on")
    if split.scheme != "file" and (not host or port == 0 or host.startswith("-")):
        raise UsageError(f"{bare} names no host")
    if (split.username or "").startswith("-"):
        raise UsageError(f"{bare} names no user")
    return url


def bare(text: str) -> str:
    """Return text with its addresses as they may be recorded, wherever in it they are (see `shown`)."""
    without_users = re.sub(
        r"([A-Za-z][A-Za-z0-9+.-]{0,31})://([^\s/?#]*)@",
        lambda found: found[0] if found[1].endswith("ssh") and ":" not in found[2] else f"{found[1]}://",
        text,
    )
    return re.sub(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://\S+", lambda found: shown(found[0]), without_users)


def shown(url: str) -> str:
    """Return an address as it may be shown and recorded: without user, password and query."""
    split = re.fullmatch(r"((?:git\+)?([A-Za-z][A-Za-z0-9+.-]*)://)([^/?#]*@)?(.*)", url, re.DOTALL)
    if split:
        user = split[3] or ""
        kept = user if split[2].endswith("ssh") and ":" not in user else ""
        url = f"{split[1]}{kept}{split[4]}"
    return plain(re.sub(r"\?[^#]*", "", url))


def safe_parts(name: str) -> list[str]:
    """Return the parts of a relative path with slashes. Raises UsageError if it leads anywhere else."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    outside = name.startswith("/") or ".." in parts or "\\" in name or (name[1:2] == ":")
    if outside:
        raise UsageError(
            f"path {plain(name)!r} leads out of its directory", "write paths with slashes, without .."
        )
    if not name.isprintable() or any(len(part.encode()) > 255 for part in parts) or len(parts) > DEEPEST:
        raise UsageError(f"path {plain(name)[:200]!r} has control characters, or is too long or too deep")
    return parts
