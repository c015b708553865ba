"""What the tests of sources share: a repository behind TLS, ssh and a path; asking for it, and what comes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowerbed.errors import FlowerbedError
from flowerbed.flower.source.prepare import prepared
from flowerbed.flower.source.request import Request, Source
from support.apps import CLIENT, PYPROJECT, SERVER
from support.git_repositories import SshServer, commit, git, ssh_server
from support.https_server import Server, serving

APP = {"pyproject.toml": PYPROJECT, "tiny/server.py": SERVER, "tiny/client.py": CLIENT}


@dataclass(frozen=True)
class Served:
    """A repository with two commits, and the ways to it."""

    web: Server
    ssh: SshServer
    bare: Path
    first: str
    last: str
    middle: str  # a commit between them, of which no ref is left

    def url(self, kind: str) -> str:
        roots = {"https": f"{self.web.address}/git", "ssh": f"{self.ssh.address}{self.bare.parent}"}
        return f"git+{kind}://{roots.get(kind, self.bare.parent)}/app.git"


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("served")
    work = tmp_path_factory.mktemp("work")
    first = commit(work, {f"apps/tiny/{name}": text for name, text in APP.items()})
    git(work, "tag", "v1")
    git(work, "branch", "feature/x")
    middle = commit(work, {"apps/tiny/tiny/two.py": "", "README": "not the app\n"})
    last = commit(work, {"README": "not the app either\n"})
    (root / "git").mkdir()
    git(work, "clone", "--quiet", "--bare", str(work), str(root / "git/app.git"))
    with serving(root) as web, ssh_server(tmp_path_factory.mktemp("ssh")) as ssh:
        yield Served(web, ssh, root / "git/app.git", first, last, middle)


@pytest.fixture
def scratch(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Trust the server, and see that nothing is left in the temporary folder."""
    monkeypatch.setenv("SSL_CERT_FILE", str(served.web.root / "ca.crt"))
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    served.web.allowed = set()
    served.web.redirects, served.web.answers = {}, {}
    served.web.seen.clear()
    yield folder
    assert list(folder.iterdir()) == []


def request(served: Served, kind: str, **more: object) -> Request:
    ssh = {"ssh_key": served.ssh.key, "known_hosts": served.ssh.known_hosts} if kind == "ssh" else {}
    return Request(app=served.url(kind), **{"path": "apps/tiny", **ssh, **more})  # type: ignore[arg-type]


def fetched(asked: Request) -> tuple[set[str], Source]:
    """Return the app's files and its source."""
    with prepared(asked) as found:
        files = {str(file.relative_to(found.path)) for file in found.path.rglob("*") if file.is_file()}
        return files, found.source


def refused(kind: type[FlowerbedError], asked: Request) -> str:
    """Return what is said of an app that is not taken."""
    with pytest.raises(kind) as error, prepared(asked):
        pass
    return str(error.value)
