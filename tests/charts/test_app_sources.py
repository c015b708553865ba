"""Every source of an app, fetched by the rendered Job's init container, and the outcome in a ConfigMap."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chart_release import CHARTS, Release, render
from https_server import Server, serving
from local_pod import LocalPod

FILES = {"pyproject.toml": "[project]\n", "digits/client_app.py": "app = '{{ x }} $(Y)'\n"}
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
    (pod,) = [pod for pod in release.pods() if pod.owner.startswith("Job/")]
    user = {"ca.crt": b"", "tls.crt": b"", "tls.key": b""}
    local = LocalPod(release, pod, root, {"u": user, **outside})
    local.places = {f"/{name}/": f"{root.parent / name}/" for name in ("served", "image")}
    return local.run("fetch"), local


def tree(pod: LocalPod) -> dict[str, str]:
    """Return the files that submit.py would be given; none may be a link."""
    folder = pod.inside("submit", pod.pod.container("submit")["args"][0])
    files = [file for file in folder.rglob("*") if not file.is_dir()]
    assert not [file for file in files if file.is_symlink()]
    return {str(file.relative_to(folder)): file.read_text() for file in files}


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


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


def test_fab(tmp_path: Path, server: Server) -> None:
    """A .fab is handed to submit.py as it is."""
    app = archive(server, "digits.fab", b"the FAB's own bytes")
    code, pod = fetched(job(app), tmp_path / "pod")
    assert code == 0, pod.log("fetch")
    assert pod.inside("submit", "/app/source.fab").read_bytes() == b"the FAB's own bytes"
    assert pod.pod.container("submit")["args"][0] == "/app/source.fab"


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
        (b"not an archive", "the archive cannot be unpacked"),
        (None, "HTTP Error 404"),
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
    assert code == 1
    log = pod.log("fetch")
    assert log.startswith("error: ")
    assert "Traceback" not in log
    assert said in log or "Not Found" in log


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
        assert code == 1 or set(tree(pod)) <= set(FILES), pod.log("fetch")
        found = list(tmp_path.rglob("escaped.py")) + [
            file for file in tmp_path.rglob("client_app.py") if "source" not in file.parts
        ]
        assert found == []


def test_an_archive_may_ask_who_comes(tmp_path: Path, server: Server) -> None:
    """The authorization is shown to the archive's own host, and not carried along by a redirect."""
    server.allowed = {"Bearer sesame"}
    app = archive(server, "app.zip", packed("zip", FILES, ""), existingSecret="token")
    code, pod = fetched(job(app), tmp_path / "none", token={"authorization": b"Bearer wrong"})
    assert code == 1
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


def git(folder: Path, *arguments: str) -> str:
    """Run git without this machine's settings."""
    env = {
        "PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
    }  # fmt: skip
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def commits(tmp_path: Path, server: Server) -> list[str]:
    """Serve a repository with two commits, a branch, a tag and a sub-folder; return the commits."""
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "--quiet", "--initial-branch=main")
    found = []
    for text in ("one", "two"):
        write(work / "apps/digits", {**FILES, "digits/version.py": text})
        write(work, OTHERS)
        git(work, "add", ".")
        git(work, "commit", "--quiet", "--message", text)
        found.append(git(work, "rev-parse", "HEAD"))
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
    assert code != 0
    assert "Authentication failed" in pod.log("fetch")


def test_git_ref_that_is_not_there(tmp_path: Path, server: Server, commits: list[str]) -> None:
    """An unknown ref ends the Job, with git's own word."""
    app = {"git": {"url": f"https://{server.address}/git/app.git", "ref": "nowhere"}}
    code, pod = fetched(job(app), tmp_path / "pod")
    assert code != 0
    assert "nowhere" in pod.log("fetch")


def test_outcome_in_a_config_map(tmp_path: Path, server: Server) -> None:
    """The outcome is merged into its ConfigMap; where it cannot be, the exit code stays the run's."""
    account = write(tmp_path / "account", {"token": "sesame\n", "namespace": "analysts\n"})
    (account / "ca.crt").write_bytes((server.root / "ca.crt").read_bytes())
    server.allowed = {"Bearer sesame"}
    host, _, port = server.address.partition(":")
    code = (
        "import sys; from pathlib import Path; import outcome; "
        "sys.exit(outcome.main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))"
    )
    folders = [CHARTS / "app/files", CHARTS / "app/files/scripts"]
    for index, allowed in enumerate((True, False)):
        if not allowed:
            server.allowed = {"Bearer other"}
        file = tmp_path / f"outcome{index}.json"
        done = subprocess.run(
            [
                sys.executable, "-c", code, account, "digits-outcome",
                str(tmp_path / "no-app"), "--address=localhost:1", "--insecure", f"--outcome={file}",
            ],
            env={
                "PATH": "/usr/bin:/bin", "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port,
                "PYTHONPATH": ":".join(map(str, folders)), "HOME": str(tmp_path),
            },
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2, done.stderr  # no such app: submit.py's own code
        assert ("could not be written to ConfigMap digits-outcome" in done.stderr) != allowed
    ((path, patch),) = server.patches
    assert path == "/api/v1/namespaces/analysts/configmaps/digits-outcome"
    assert patch["data"]["exit-code"] == "2"
    assert patch["data"]["status"] == "not-started"
