"""Fetch an app that is no folder here yet into a temporary folder: archive, repository, loose files."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from ..errors import UsageError
from . import address as addresses
from . import archive as archives
from .download import authorization, download, read_secret
from .git import export
from .inline import write_app
from .request import (
    SECRETS,
    Prepared,
    Request,
    Source,
    checked_sha256,
    is_remote,
    refuse_useless,
    sha256_of,
)

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
