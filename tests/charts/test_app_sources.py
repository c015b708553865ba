"""Every source of an app, fetched by the rendered Job's init container."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from flowerbed.flower.app.build import build
from support.chart_release import Release, render
from support.git_repositories import commit, git, ssh_server, write
from support.https_server import Server, serving
from support.local_pod import LocalPod

pytestmark = pytest.mark.pods

FILES = {"pyproject.toml": "[project]\n", "digits/client_app.py": "app = '{{ x }} $(Y)'\n"}
APP = {
    "pyproject.toml": '[project]\nname = "x"\nversion = "1"\n[tool.flwr.app]\npublisher = "x"\n'
    '[tool.flwr.app.components]\nserverapp = "x:app"\nclientapp = "x:app"\n',
    "x.py": "app = 1\n",
}
OTHERS = {"README": "not the app\n"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Yield an HTTPS server of an empty folder."""
    root = tmp_path / "served"
    root.mkdir()
    with serving(root) as found:
        yield found


def job(app: dict[str, Any], **values: Any) -> Release:  # noqa: ANN401
    """Return a release whose app has this source."""
    env = {"SSL_CERT_FILE": "/served/ca.crt", "GIT_SSL_CAINFO": "/served/ca.crt"}
    base = {"superlink": {"address": "x:1"}, "tls": {"existingSecret": "u"}, "user": {"existingSecret": "u"}}
    return render("app", {**base, "app": app, "env": env, **values})


def fetched(release: Release, root: Path, **outside: dict[str, bytes]) -> tuple[int, LocalPod]:
    """Run the init container; return its exit code and pod. /served and /image lie beside `root`."""
    local = pod_of(release, root, **outside)
    return local.run("fetch"), local


def pod_of(release: Release, root: Path, **outside: dict[str, bytes]) -> LocalPod:
    """Return the Job's pod."""
    (pod,) = [pod for pod in release.pods() if pod.owner.startswith("Job/")]
    user = {"ca.crt": b"", "tls.crt": b"", "tls.key": b""}
    local = LocalPod(release, pod, root, {"u": user, **outside})
    local.places = {f"/{name}/": f"{root.parent / name}/" for name in ("served", "image")}
    return local


def tree(pod: LocalPod) -> dict[str, str]:
    """Return the files that submit.py would be given; none may be a link."""
    folder = pod.inside("submit", pod.pod.container("submit")["args"][0])
    files = [file for file in folder.rglob("*") if not file.is_dir()]
    assert not [file for file in files if file.is_symlink()]
    return {str(file.relative_to(folder)): file.read_text() for file in files}


def record(pod: LocalPod) -> dict[str, str]:
    """Return what submit.py is told of where the app came from."""
    flags = pod.command(pod.pod.container("submit"))
    (file,) = [Path(flag.partition("=")[2]) for flag in flags if flag.startswith("--source-record=")]
    found: dict[str, str] = json.loads(file.read_text())
    return found


def test_inline(tmp_path: Path) -> None:
    """Inline files become a tree of plain files; the kubelet's own links do not get in."""
    code, pod = fetched(job({"inline": FILES}), tmp_path / "pod")
    assert code == 0, pod.log("fetch")
    assert tree(pod) == FILES


def test_image(tmp_path: Path) -> None:
    """An app in an image is copied, and its links become what they lead to."""
    folder = write(tmp_path / "image/app", FILES)
    (folder / "digits/link.py").symlink_to(folder / "digits/client_app.py")
    code, pod = fetched(job({"image": {"path": "/image/app"}}), tmp_path / "pod")
    assert code == 0, pod.log("fetch")
    assert tree(pod) == {**FILES, "digits/link.py": FILES["digits/client_app.py"]}


def packed(kind: str, files: dict[str, str], top: str) -> bytes:
    """Return an archive of files below a top folder."""
    target = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(target, "w") as archive:
            for name, text in files.items():
                archive.writestr(f"{top}{name}", text)
        return target.getvalue()
    with tarfile.open(fileobj=target, mode=f"w:{kind}") as tar:  # type: ignore[call-overload]
        for name, text in files.items():
            entry = tarfile.TarInfo(f"{top}{name}")
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return target.getvalue()


def archive(server: Server, name: str, content: bytes, **more: str) -> dict[str, Any]:
    """Serve content under a name and return the app that names it."""
    (server.root / name).write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return {"archive": {"url": f"https://{server.address}/{name}", "sha256": sha256, **more}}


@pytest.mark.parametrize("kind", ["zip", "gz", "xz", "bz2", ""])
@pytest.mark.parametrize(
    ("top", "path"), [("", ""), ("digits-1.0/", ""), ("repo/apps/digits/", "repo/apps/digits")]
)
def test_archive(tmp_path: Path, server: Server, kind: str, top: str, path: str) -> None:
    """Each kind of archive is unpacked; the app is its root, its only folder, or the folder that is said."""
    more = {"path": path} if path else {}
    app = archive(server, "app.bin", packed(kind, FILES, top), **more)
    code, pod = fetched(job(app), tmp_path / "pod")
    assert code == 0, pod.log("fetch")
    assert tree(pod) == FILES
    assert record(pod)["sha256"] == app["archive"]["sha256"]


def test_fab(tmp_path: Path, server: Server) -> None:
    """A .fab is handed to submit.py as it is."""
    fab = build(write(tmp_path / "app", APP))
    for name in ("digits.fab", "download"):
        code, pod = fetched(job(archive(server, name, fab)), tmp_path / name)
        assert code == 0, pod.log("fetch")
        assert pod.inside("submit", pod.pod.container("submit")["args"][0]).read_bytes() == fab
        assert record(pod)["kind"] == "fab"


def test_a_changed_archive_is_refused(tmp_path: Path, server: Server) -> None:
    """Other bytes under the same address end the Job before anything is unpacked."""
    app = archive(server, "app.zip", packed("zip", FILES, ""))
    (server.root / "app.zip").write_bytes(packed("zip", {**FILES, "evil.py": ""}, ""))
    code, pod = fetched(job(app), tmp_path / "pod")
    assert code != 0
    assert "its SHA-256 is" in pod.log("fetch")
    assert not pod.inside("submit", "/app/source").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not an archive", "it cannot be unpacked"),
        (None, "the server answers 404"),
        (b"", "cannot be unpacked"),
    ],
)
def test_what_is_no_archive_is_refused(
    tmp_path: Path, server: Server, content: bytes | None, said: str
) -> None:
    """Junk, nothing, and an address that leads nowhere end with a sentence."""
    app = archive(server, "app.zip", content or b"")
    if content is None:
        (server.root / "app.zip").unlink()
    code, pod = fetched(job(app), tmp_path / "pod")
    assert code == 2
    log = pod.log("fetch")
    assert log.splitlines()[1].startswith("error: ")
    assert "Traceback" not in log
    assert said in log


def hostile_tar() -> bytes:
    """Return a tar archive with an entry outside of its folder, and a link that leads out."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        entry = tarfile.TarInfo("../../escaped.py")
        tar.addfile(entry, io.BytesIO(b""))
    return target.getvalue()


def test_an_archive_writes_nothing_outside_of_its_folder(tmp_path: Path, server: Server) -> None:
    """Entries that lead out of the folder are refused or kept inside."""
    for name, content in (("a.tar.gz", hostile_tar()), ("a.zip", packed("zip", FILES, "../../"))):
        app = archive(server, name, content)
        code, pod = fetched(job(app), tmp_path / name)
        assert code == 2, pod.log("fetch")
        found = list(tmp_path.rglob("escaped.py")) + [
            file for file in tmp_path.rglob("client_app.py") if "source" not in file.parts
        ]
        assert found == []


def test_an_archive_may_ask_who_comes(tmp_path: Path, server: Server) -> None:
    """The authorization is shown to the archive's own host, and not carried along by a redirect."""
    server.allowed = {"Bearer sesame"}
    app = archive(server, "app.zip", packed("zip", FILES, ""), existingSecret="token")
    code, pod = fetched(job(app), tmp_path / "none", token={"authorization": b"Bearer wrong"})
    assert code == 3
    code, pod = fetched(job(app), tmp_path / "right", token={"authorization": b"Bearer sesame\n"})
    assert code == 0, pod.log("fetch")
    assert "sesame" not in pod.log("fetch") + str(pod.pod.spec)

    server.allowed = set()
    server.redirects = {"/app.zip": f"https://127.0.0.1:{server.address.rpartition(':')[2]}/other.zip"}
    (server.root / "other.zip").write_bytes((server.root / "app.zip").read_bytes())
    server.seen.clear()
    code, pod = fetched(job(app), tmp_path / "moved", token={"authorization": b"Bearer sesame"})
    assert code == 0, pod.log("fetch")
    assert server.seen == [("/app.zip", "Bearer sesame"), ("/other.zip", "")]


def test_a_signed_address_keeps_its_signature_in_a_secret(tmp_path: Path, server: Server) -> None:
    """What signs the address comes from the Secret: it opens the archive, and stands in no object or log."""
    content = packed("zip", FILES, "")

    def signed(request: BaseHTTPRequestHandler) -> None:
        opened = request.path.endswith("?X-Amz-Expires=60&X-Amz-Signature=sesame")
        request.send_response(200 if opened else 403)
        request.send_header("Content-Length", str(len(content) if opened else 0))
        request.end_headers()
        request.wfile.write(content if opened else b"")

    server.answers["/app.zip"] = signed
    app = archive(server, "app.zip", content, existingSecret="token")
    code, pod = fetched(job(app), tmp_path / "wrong", token={"query": b"X-Amz-Signature=wrong"})
    assert code == 3
    assert "wrong" not in pod.log("fetch")
    secret = {"query": b"?X-Amz-Expires=60&X-Amz-Signature=sesame\n"}
    code, pod = fetched(job(app), tmp_path / "right", token=secret)
    assert code == 0, pod.log("fetch")
    assert "sesame" not in pod.log("fetch") + str(pod.pod.spec) + str(record(pod))


@pytest.fixture
def commits(tmp_path: Path, server: Server) -> list[str]:
    """Serve a repository with two commits, a branch, a tag and a sub-folder; return the commits."""
    work = tmp_path / "work"
    found = []
    for text in ("one", "two"):
        files = {f"apps/digits/{name}": content for name, content in FILES.items()}
        found.append(commit(work, {**files, "apps/digits/digits/version.py": text, **OTHERS}))
        if text == "one":
            git(work, "tag", "v1")
    (server.root / "git").mkdir()
    git(work, "clone", "--quiet", "--bare", str(work), str(server.root / "git/app.git"))
    return found


@pytest.mark.parametrize(("ref", "version"), [("main", "two"), ("v1", "one"), ("0", "one"), ("1", "two")])
def test_git(tmp_path: Path, server: Server, commits: list[str], ref: str, version: str) -> None:
    """A branch, a tag and any commit are fetched without history, and the log says which commit it was."""
    name = commits[int(ref)] if ref.isdigit() else ref
    app = {"git": {"url": f"https://{server.address}/git/app.git", "ref": name, "path": "apps/digits"}}
    code, pod = fetched(job(app), tmp_path / "pod")
    assert code == 0, pod.log("fetch")
    assert tree(pod) == {**FILES, "digits/version.py": version}
    assert commits[["one", "two"].index(version)] in pod.log("fetch")
    assert record(pod)["commit"] == commits[["one", "two"].index(version)]
    assert not pod.inside("submit", "/app/source/.git").exists()


def test_git_private(tmp_path: Path, server: Server, commits: list[str]) -> None:
    """A private repository is fetched with the Secret's name and password, which stand in no log."""
    password = "p$w'd \" `x` ; é"
    server.allowed = {"Basic " + base64.b64encode(f"reader:{password}".encode()).decode()}
    source = {"url": f"https://{server.address}/git/app.git", "ref": "main", "existingSecret": "token"}
    secret = {"username": b"reader", "password": password.encode()}
    code, pod = fetched(job({"git": source}), tmp_path / "right", token=secret)
    assert code == 0, pod.log("fetch")
    assert set(tree(pod)) >= {"README", "apps/digits/pyproject.toml"}
    assert password not in pod.log("fetch")
    code, pod = fetched(job({"git": source}), tmp_path / "wrong", token={**secret, "password": b"other"})
    assert code == 3
    assert "Authentication failed" in pod.log("fetch")


def test_git_by_ssh(tmp_path: Path, server: Server, commits: list[str]) -> None:
    """A private repository is fetched with the Secret's key, from the host that its `known_hosts` names."""
    keys = tmp_path / "keys"
    keys.mkdir()
    with ssh_server(keys) as ssh:
        url = f"ssh://{ssh.address}/served/git/app.git"
        app = {"git": {"url": url, "ref": "v1", "path": "apps/digits", "existingSecret": "key"}}
        secret = {"ssh-privatekey": ssh.key.read_bytes(), "known_hosts": ssh.known_hosts.read_bytes()}
        for name, change, expected in (("right", {}, 0), ("wrong", {"known_hosts": b""}, 3)):
            local = pod_of(job(app), tmp_path / name, key={**secret, **change})
            for file in local.inside("fetch", "/credentials/..data").iterdir():
                file.chmod(0o600)
            assert local.run("fetch") == expected, local.log("fetch")
            assert "PRIVATE KEY" not in local.log("fetch")
        assert commits[0] not in local.log("fetch")


def test_git_ref_that_is_not_there(tmp_path: Path, server: Server, commits: list[str]) -> None:
    """An unknown ref ends the Job, with git's own word."""
    app = {"git": {"url": f"https://{server.address}/git/app.git", "ref": "nowhere"}}
    code, pod = fetched(job(app), tmp_path / "pod")
    assert code != 0
    assert "nowhere" in pod.log("fetch")
