"""Repositories, servers and addresses that mean harm: one clear error each, and nothing takes effect."""

from __future__ import annotations

import base64
import subprocess
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from flowerbed.errors import UnreachableError, UsageError
from flowerbed.flower.source import git_process as flower_git_process
from flowerbed.flower.source.request import Request
from support.git_repositories import commit, git, write
from support.source_servers import APP, Served, fetched, refused, request

pytestmark = pytest.mark.usefixtures("scratch")
BACKEND = "/git/app.git/info/refs"


def of_folder(work: Path, **more: object) -> Request:
    return Request(app=f"git+file://{work}", **more)  # type: ignore[arg-type]


def test_nothing_of_a_repository_runs(tmp_path: Path) -> None:
    """Hooks, filters and attributes of a repository have no effect: the files come as they were committed."""
    work, mark = tmp_path / "work", tmp_path / "mark"
    attributes = "*.py filter=evil eol=crlf\n*.md export-subst\ntiny/client.py export-ignore\n"
    files = {**APP, ".gitattributes": attributes, "README.md": "$Format:%H$\n", ".gitconfig": "[x]\n"}
    commit(work, files)
    for hook in ("post-checkout", "reference-transaction", "post-index-change", "pre-auto-gc"):
        write(work / ".git/hooks", {hook: f"#!/bin/sh\ntouch {mark}\n"}).joinpath(hook).chmod(0o755)
    git(work, "config", "filter.evil.smudge", f"touch {mark}")
    git(work, "config", "filter.evil.clean", f"touch {mark}")
    git(work, "config", "uploadpack.packObjectsHook", f"touch {mark}; false")
    mark.unlink(missing_ok=True)
    assert fetched(of_folder(work))[0] == {*APP, ".gitattributes", "README.md", ".gitconfig"}
    assert not mark.exists()


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("git+ext::sh -c touch% x", "spaces"),
        ("git+ext::sh", "cannot be fetched like this"),
        ("git+http://127.0.0.1/x.git", "cannot be fetched like this"),
        ("git+https://user:s3cret@127.0.0.1/x.git", "credentials"),
        ("git+https://s3cret@127.0.0.1/x.git", "credentials"),
        ("git+ssh://git:s3cret@127.0.0.1/x.git", "credentials"),
        ("git+https://127.0.0.1/x.git?private_token=s3cret", "no query"),
        ("git+https://127.0.0.1/x.git?private_token=s3cret@main", "no query"),
        ("git+ssh://git@127.0.0.1/x.git?token=s3cret", "no query"),
        ("git+https://127.0.0.1/x.git#s3cret", "unknown after"),
        ("git+ssh://-oProxyCommand=touch/x.git", "names no host"),
        ("git+ssh://-oX@127.0.0.1/x.git", "names no user"),
        ("git+file://other/x.git", "from the root on"),
        ("git+https://127.0.0.1/x\n.git", "control characters"),
        ("git+https://127.0.0.1/\x1b[31mx.git", "control characters"),
        ("git+https://127.0.0.1/x.git#a=b", "unknown after"),
        ("git+https://127.0.0.1:99999/x.git", "is not an address"),
        ("git+https://127.0.0.1/x.git@--upload-pack=x", "is not a branch, tag or commit"),
        ("git+https://127.0.0.1/x.git@a..b", "is not a branch, tag or commit"),
        ("git+https://127.0.0.1/x.git@a:b", "is not a branch, tag or commit"),
    ],
)
def test_addresses(app: str, said: str) -> None:
    """What is no address of a repository, or shows a secret, is refused, and the secret is not repeated."""
    text = refused(UsageError, Request(app=app))
    assert said in text
    assert "s3cret" not in text
    assert text.isprintable() or "\n  " in text
    assert "\x1b" not in text


@pytest.mark.parametrize("path", ["../etc", "/etc", "apps/../../x", "apps\\..\\x", "a\0b"])
def test_folders_that_lead_out(served: Served, path: str) -> None:
    """A sub-folder is a folder of the repository."""
    assert "path" in refused(UsageError, request(served, "file", path=path))


def test_a_folder_that_is_not_there(served: Served) -> None:
    """The error says what is there."""
    text = refused(UsageError, request(served, "https", path="app/tiny"))
    assert "has no directory 'app/tiny'" in text
    assert "README, apps" in text
    assert "has no directory" in refused(UsageError, request(served, "https", path="README"))


def test_a_ref_that_is_not_there(served: Served) -> None:
    """The error says what is near."""
    text = refused(UsageError, request(served, "https", ref="mian"))
    assert "there is no branch, tag or commit mian" in text
    assert "main" in text.splitlines()[-1]


def test_links(tmp_path: Path) -> None:
    """Links that lead out of the app end it; others are left out, as Flower leaves them out."""
    work = tmp_path / "work"
    commit(work, APP)
    (work / "tiny/link.py").symlink_to("client.py")
    commit(work, {})
    assert fetched(of_folder(work))[0] == set(APP)
    (work / "tiny/out.py").symlink_to("../../secret")
    commit(work, {})
    assert "link 'tiny/out.py' leads out" in refused(UsageError, of_folder(work))


def test_pointers_of_large_files(tmp_path: Path) -> None:
    """Code that is in Git LFS is only pointers here: said so, not packed. Data may be."""
    work = tmp_path / "work"
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    commit(work, {**APP, "data.bin": pointer})
    assert "data.bin" in fetched(of_folder(work))[0]
    commit(work, {"tiny/model.py": pointer})
    assert "Git LFS pointers in place of tiny/model.py" in refused(UsageError, of_folder(work))


def test_a_tree_that_never_ends(tmp_path: Path) -> None:
    """A few objects that would be ten billion files are given up early."""
    work = tmp_path / "work"
    commit(work, APP)
    blob = git(work, "hash-object", "-w", "pyproject.toml")
    entry = f"100644 blob {blob}"
    for _ in range(10):
        lines = "".join(f"{entry}\t{number}\n" for number in range(10))
        tree = subprocess.run(
            ["git", "mktree"], cwd=work, input=lines, text=True, capture_output=True, check=True
        )
        entry = f"040000 tree {tree.stdout.strip()}"
    bomb = git(work, "commit-tree", "-m", "x", entry.split()[-1])
    git(work, "branch", "bomb", bomb)
    text = refused(UsageError, of_folder(work, ref="bomb"))
    assert "files and directories" in text or "unpacks to more" in text


def test_a_repository_that_is_too_large(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """What git fetches is bounded while it fetches."""
    fetched(request(served, "https"))
    monkeypatch.setattr(flower_git_process, "LARGEST_REPOSITORY", 100)
    assert "more than 100 bytes" in refused(UsageError, request(served, "https"))


def test_a_repository_that_needs_much_memory(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object of a few bytes that unpacks to many ends git, not the machine."""
    commit(tmp_path / "work", {**APP, "zeros.json": "0" * 15_000_000})
    git(tmp_path, "clone", "--quiet", "--bare", "work", str(served.bare.parent / "zeros.git"))
    asked = Request(app=served.url("https").replace("app.git", "zeros.git"))
    assert fetched(asked)[0] == {*APP, "zeros.json"}
    monkeypatch.setattr(flower_git_process, "MOST_MEMORY", 14_000_000)
    text = refused(UsageError, asked)
    assert "out of memory" in text.lower()
    assert "14,000,000 bytes of memory" in text


def test_a_server_that_never_answers(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetching ends when its time is over, with all that git started."""
    done = threading.Event()

    def silent(_: object) -> None:
        done.wait(30)

    served.web.answers[BACKEND] = silent
    try:
        text = refused(UnreachableError, request(served, "https", timeout=1.0))
    finally:
        done.set()
    assert "it takes too long" in text
    assert "--fetch-timeout" in text


def test_nobody_there(served: Served, tmp_path: Path) -> None:
    """A host without a server, a certificate that nobody vouches for, a path without a repository."""
    assert "connect" in refused(UnreachableError, Request(app="git+https://localhost:1/x.git"))
    assert "Connection refused" in refused(UnreachableError, Request(app="git+ssh://localhost:1/x.git"))
    assert "not found" in refused(
        UsageError, Request(app=served.url("https").replace("app.git", "other.git"))
    )
    assert "does not" in refused(UsageError, Request(app=f"git+file://{tmp_path}/none"))


def test_a_secret_stays_in_its_file(served: Served, tmp_path: Path) -> None:
    """While git fetches, the token is in nobody's arguments and environment, and in no file but its own."""
    token = tmp_path / "token"
    token.write_text("t0k3n-of-the-test\n")
    served.web.allowed = {"Basic " + base64.b64encode(b"x-access-token:t0k3n-of-the-test").decode()}
    seen: list[str] = []

    def look(handler: BaseHTTPRequestHandler) -> None:
        children = [entry for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
        for process in children:
            try:
                seen.append((process / "cmdline").read_bytes().decode(errors="replace"))
                seen.append((process / "environ").read_bytes().decode(errors="replace"))
            except OSError:
                continue
        handler.git(b"")  # type: ignore[attr-defined]

    served.web.answers[BACKEND] = look
    # The handler of a path answers before access is checked: the second question asks for the token.
    files, source = fetched(request(served, "https", ref="main", token_file=token))
    assert files
    assert any("git-remote-http" in text or "remote-https" in text for text in seen)
    assert any(str(token) in text for text in seen), "git was told where the token lies"
    assert not [text for text in seen if "t0k3n-of-the-test" in text]
    assert "t0k3n" not in str(source)
    assert any("Basic" in shown for _, shown in served.web.seen)


def test_a_redirect_gets_no_token(served: Served, tmp_path: Path) -> None:
    """Another host that the server names does not see the token."""
    token = tmp_path / "token"
    token.write_text("t0k3n")
    port = served.web.address.rpartition(":")[2]
    served.web.redirects = {BACKEND: f"https://127.0.0.1:{port}/git/x/info/refs?service=git-upload-pack"}
    served.web.allowed = {"nobody"}
    refused(UnreachableError, request(served, "https", ref="main", token_file=token))
    assert [path for path, _ in served.web.seen] == [BACKEND, "/git/x/info/refs"]
    assert {shown for _, shown in served.web.seen} == {""}


SUBMODULES = {
    "relative": ("../part.git", ""),
    "flag": ("--upload-pack=touch", "cannot be fetched like this"),
    "command": ("ext::sh -c touch% mark", "control characters"),
    "local": ("file:///etc", "would be on this machine"),
    "password": ("https://a:s3cret@127.0.0.1/x.git", "credentials"),
}


@pytest.mark.parametrize("kind", list(SUBMODULES))
def test_submodules(served: Served, tmp_path: Path, kind: str) -> None:
    """Submodules come when asked for, by addresses of the same sort as the repository's own."""
    url, said = SUBMODULES[kind]
    part, work = tmp_path / "part", tmp_path / "work"
    inner = commit(part, {"helper.py": "x = 1\n"})
    commit(work, {**APP, ".gitmodules": f'[submodule "p"]\n\tpath = tiny/part\n\turl = "{url}"\n'})
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{inner},tiny/part")
    git(work, "commit", "--quiet", "--message", "part")
    for source, name in ((part, f"{kind}/part.git"), (work, f"{kind}/app.git")):
        git(tmp_path, "clone", "--quiet", "--bare", str(source), str(served.bare.parent / name))
    app = served.url("https").replace("/app.git", f"/{kind}/app.git")
    assert fetched(Request(app=app))[0] == {*APP, ".gitmodules"}
    if said:
        text = refused(UsageError, Request(app=app, submodules=True))
        assert said in text
        assert "s3cret" not in text
    else:
        assert fetched(Request(app=app, submodules=True))[0] == {*APP, ".gitmodules", "tiny/part/helper.py"}
        git(served.bare.parent / kind / "part.git", "update-ref", "-d", "refs/heads/main")
        (served.bare.parent / kind / "part.git").rename(served.bare.parent / kind / "gone.git")
        assert "not found" in refused(UsageError, Request(app=app, submodules=True))
