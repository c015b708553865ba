"""Apps in git repositories, fetched from real servers: git's own HTTP backend behind TLS, sshd, and files."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from flowerbed.errors import UnreachableError, UsageError
from flowerbed.flower.source import git as flower_git
from flowerbed.flower.source.git_process import Git
from flowerbed.flower.source.request import Request
from support.git_repositories import git
from support.source_servers import APP, Served, fetched, refused, request

pytestmark = pytest.mark.usefixtures("scratch")
TOKEN = "s3cret $x `y` \" ' é"


@pytest.mark.parametrize("kind", ["https", "ssh", "file"])
@pytest.mark.parametrize("ref", ["", "main", "v1", "feature/x", "refs/heads/main", "first", "short", "last"])
def test_each_ref_by_each_transport(served: Served, kind: str, ref: str) -> None:
    """Branch, tag, full and short commit: the files of that commit, and the record says which it was."""
    commits = {"first": served.first, "short": served.first[:9], "last": served.last}
    files, source = fetched(request(served, kind, ref=commits.get(ref, ref)))
    old = ref in {"v1", "feature/x", "first", "short"}
    assert files == set(APP) | (set() if old else {"tiny/two.py"})
    assert source.commit == (served.first if old else served.last)
    assert (source.kind, source.path) == ("git", "apps/tiny")
    assert source.location == served.url(kind).removeprefix("git+")


def test_ref_and_folder_in_the_address(served: Served) -> None:
    """The address may say both, as pip has it; flags that say otherwise are refused."""
    url = f"{served.url('https')}@feature/x#subdirectory=apps/tiny"
    files, source = fetched(Request(app=url))
    assert (files, source.ref, source.commit) == (set(APP), "feature/x", served.first)
    assert "--ref main says otherwise" in refused(UsageError, Request(app=url, ref="main"))


def test_a_clone_on_this_machine(served: Served, tmp_path: Path) -> None:
    """A folder with --ref is a repository; its work tree does not count, and stays as it is."""
    git(tmp_path, "clone", "--quiet", str(served.bare), "clone")
    clone = tmp_path / "clone"
    (clone / "apps/tiny/tiny/uncommitted.py").write_text("")
    before = sorted(clone.rglob("*"))
    assert fetched(Request(app=str(clone), ref="main", path="apps/tiny"))[0] == {*APP, "tiny/two.py"}
    assert "tiny/uncommitted.py" in fetched(Request(app=str(clone), path="apps/tiny"))[0]
    assert sorted(clone.rglob("*")) == before


@pytest.mark.parametrize("old", [False, True])
def test_as_little_as_can_be(served: Served, monkeypatch: pytest.MonkeyPatch, old: bool) -> None:
    """No history is fetched; only an old server, which gives tips alone, must give all for one commit."""
    counted: list[str] = []

    def fetch(runner: Git, ref: str) -> str:
        found = real(runner, ref)
        counted.append(runner.ask("rev-list", "--count", found))
        return found

    real = flower_git._fetch
    monkeypatch.setattr(flower_git, "_fetch", fetch)
    monkeypatch.setattr(served.web, "old_git", old)
    for ref in ("", "main", "v1", served.middle):
        assert "pyproject.toml" in fetched(request(served, "https", ref=ref))[0]
    assert counted == ["1", "1", "1", "2" if old else "1"]


def test_a_commit_that_the_server_does_not_give(served: Served) -> None:
    """A commit outside of branches and tags is not there, as far as the server tells."""
    assert "there is no commit" in refused(UsageError, request(served, "file", ref="0" * 40))


def test_private_by_token(served: Served, tmp_path: Path) -> None:
    """The token in its file opens the repository; without it, and with another, it is exit 3."""
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    served.web.allowed = {"Basic " + base64.b64encode(f"reader:{TOKEN}".encode()).decode()}
    asked = request(served, "https", ref="v1", token_file=token, username="reader")
    assert fetched(asked)[0] == set(APP)
    assert "--token-file FILE" in refused(UnreachableError, request(served, "https"))
    token.write_text("another")
    said = refused(UnreachableError, asked)
    assert "Authentication failed" in said
    assert "another" not in said


def test_private_by_ssh_key(served: Served) -> None:
    """The key in its file opens the repository; another key, and another host's, do not."""
    other = served.ssh.other_key
    assert "Permission denied" in refused(UnreachableError, request(served, "ssh", ssh_key=other))
    empty = served.web.root / "empty"
    empty.write_text("")
    said = refused(UnreachableError, request(served, "ssh", known_hosts=empty))
    assert "Host key verification failed" in said
    assert "--known-hosts" in said


def test_a_key_that_others_may_read(served: Served, tmp_path: Path) -> None:
    """ssh would not take it, and say so among much else."""
    key = tmp_path / "key"
    key.write_bytes(served.ssh.key.read_bytes())
    key.chmod(0o644)
    assert f"chmod 600 {key}" in refused(UsageError, request(served, "ssh", ssh_key=key))
