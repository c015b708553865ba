"""One commit's files out of a git repository that anybody may have made.

There is no work tree, so no hook, filter or link of the repository takes effect: git gives the files as a tar
stream, which is unpacked as any other archive is.
"""

from __future__ import annotations

import contextlib
import difflib
import posixpath
import re
import shutil
import tempfile
import time
import urllib.parse
from dataclasses import replace
from pathlib import Path

from ..errors import UnreachableError, UsageError
from ..text import plain
from .address import Credentials, Repository, parse, safe_parts, shown
from .archive import CHUNK, DAMAGED, LARGEST_HEADER, Budget, untar
from .git_process import Git

DEEPEST_SUBMODULES = 4
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
SHORT_COMMIT = re.compile(r"[0-9a-f]{7,63}")
# Attributes of the repository that would change or drop files on their way into the archive.
ATTRIBUTES = "* !export-ignore !export-subst !filter !ident !text !eol !working-tree-encoding\n"


def export(repository: Repository, to: Path, *, timeout: float) -> str:
    """Write one commit's files, or those of a folder in it, to a new folder; return the commit.

    Links are left out. `timeout` in seconds for all of it. Raises UsageError, UnreachableError.
    """
    if not shutil.which("git"):
        raise UsageError("git is not installed here, and the app is in a git repository", "install git")
    to.mkdir()
    return _export(repository, to, (time.monotonic() + timeout, Budget()), DEEPEST_SUBMODULES)


def _export(repository: Repository, to: Path, limits: tuple[float, Budget], depth: int) -> str:
    deadline, budget = limits
    with tempfile.TemporaryDirectory(prefix="flowerbed-git-", ignore_cleanup_errors=True) as scratch:
        git = Git(repository, Path(scratch, "repository"), deadline)
        git.run("init", "--quiet", "--bare", "--template=", str(git.folder))
        (git.folder / "info").mkdir(exist_ok=True)
        (git.folder / "info/attributes").write_text(ATTRIBUTES, encoding="ascii")
        commit = _fetch(git, repository.ref)
        parts = safe_parts(repository.path)
        tree = f"{commit}:{'/'.join(parts)}" if parts else commit
        if parts and git.ask("cat-file", "-t", tree, bad_is_empty=True) != "tree":
            known = ", ".join(git.ask("ls-tree", "--name-only", commit).splitlines()[:10])
            raise UsageError(
                f"{repository.url}: commit {commit[:12]} has no directory {repository.path!r}",
                f"at its top there is: {plain(known)}",
            )
        links = _listed_links(git, tree)
        with git.output("archive", "--format=tar", tree) as stream:
            try:
                untar(stream, to, budget)
            except DAMAGED as error:
                raise UsageError(f"{repository.url}: {plain(str(error))}") from None
        if repository.submodules and not depth:
            raise UsageError(f"{repository.url}: submodules in submodules in submodules")
        for place, inner in links.items() if repository.submodules else ():
            found = _submodule(git, commit, "/".join([*parts, place]))
            _export(replace(found, ref=inner), to.joinpath(*safe_parts(place)), limits, depth - 1)
        return commit


def _fetch(git: Git, ref: str) -> str:
    """Fetch as little as can be and return the commit."""
    url, full = git.repository.url, _resolve(git, ref)
    shallow = ("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules")
    if full:
        git.run(*shallow, "--", url, full)
        return git.ask("rev-parse", "--verify", "FETCH_HEAD^{commit}")
    if COMMIT.fullmatch(ref):
        with contextlib.suppress(
            UsageError, UnreachableError
        ):  # a server may give nothing but branches and tags
            git.run(*shallow, "--", url, ref)
    if not _known(git, ref):
        everything = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        git.run("fetch", "--quiet", "--no-recurse-submodules", "--", url, *everything)
    if commit := _known(git, ref):
        return commit
    raise UsageError(f"{url}: there is no commit {ref} in its branches and tags")


def _known(git: Git, commit: str) -> str:
    return git.ask("rev-parse", "--quiet", "--verify", f"{commit}^{{commit}}", bad_is_empty=True)


def _resolve(git: Git, ref: str) -> str:
    """Return a ref's full name, "" for what looks like a commit. Raises UsageError for what is not there."""
    if not ref or COMMIT.fullmatch(ref):
        return "" if ref else "HEAD"
    names = [ref] if ref.startswith("refs/") else [f"refs/tags/{ref}", f"refs/heads/{ref}"]
    there = _listed(git, *names)
    if found := [name for name in names if name in there]:
        if len(found) > 1:
            raise UsageError(
                f"{git.repository.url}: {ref} is a tag and a branch", f"say {' or '.join(found)}"
            )
        return found[0]
    if SHORT_COMMIT.fullmatch(ref):
        return ""
    known = sorted(re.sub(r"^refs/(heads|tags)/", "", name) for name in _listed(git, "refs/*"))
    near = difflib.get_close_matches(ref, known, 3) or known[:10]
    remedy = f"there is: {plain(', '.join(near))}" if known else "it is empty"
    raise UsageError(f"{git.repository.url}: there is no branch, tag or commit {ref}", remedy)


def _listed(git: Git, *patterns: str) -> list[str]:
    lines = git.ask("ls-remote", "--quiet", "--refs", "--", git.repository.url, *patterns).splitlines()
    return [name for _, tab, name in (line.partition("\t") for line in lines) if tab]


def _listed_links(git: Git, tree: str) -> dict[str, str]:
    """Return the commits of submodules by place. Raises UsageError for a tree that is too large.

    A few objects can be a tree of billions of files, of which git itself would make an index first.
    """
    budget, links, rest = Budget(), {}, b""
    with git.output("ls-tree", "-r", "-z", "--long", "--full-tree", tree) as stream:
        while piece := stream.read(CHUNK):
            *entries, rest = (rest + piece).split(b"\0")
            for entry in entries:
                head, _, place = entry.decode("utf-8", "replace").partition("\t")
                mode, _, name, size = head.split()
                budget.enter()
                budget.take(int(size) if size.isdecimal() else 0)
                if mode == "160000":
                    links[place] = name
            if len(rest) > LARGEST_HEADER:
                raise UsageError(f"{git.repository.url}: a path in it is too long")
    return links


def _submodule(git: Git, commit: str, place: str) -> Repository:
    """Return the repository of a submodule. Raises UsageError."""
    listed = git.ask("config", "--blob", f"{commit}:.gitmodules", "--null", "--list", bad_is_empty=True)
    settings = dict(entry.partition("\n")[::2] for entry in listed.split("\0"))
    names = {value: key.removesuffix(".path") for key, value in settings.items() if key.endswith(".path")}
    return _address(git.repository, settings.get(f"{names.get(place, '')}.url", ""), place)


def _address(own: Repository, url: str, place: str) -> Repository:
    where = f"{own.url}: submodule {plain(place)}"
    if url.startswith(("./", "../")):
        split = urllib.parse.urlsplit(own.url)
        url = split._replace(path=posixpath.normpath(f"{split.path}/{url}")).geturl()
    try:  # a name that begins with `-`, a command (`ext::`) and the like end here
        url = parse(url, git=True).url
    except UsageError as error:
        raise UsageError(
            f"{where}: {error.what}", "submit a clone in which the submodules are there"
        ) from None
    host, own_host = (urllib.parse.urlsplit(address)[:2] for address in (url, own.url))
    if host[0] == "file" and own_host[0] != "file":
        raise UsageError(f"{where}: {shown(url)} would be on this machine")
    # What opens one host is no business of another.
    credentials = (
        own.credentials if host == own_host else Credentials(known_hosts=own.credentials.known_hosts)
    )
    return replace(own, url=url, path="", credentials=credentials)
