"""What a record says about how a run was submitted: the git working tree, versions, the command line."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flowerbed.flower.app.app import App
from flowerbed.flower.labels import labels
from flowerbed.flower.recording import DIFF, HIDDEN, FolderRecord, command_line, environment, packages
from flowerbed.flower.runs import Outcome
from flowerbed.flower.source import tree as flower_tree
from flowerbed.flower.source.request import Source
from flowerbed.flower.source.tree import working_tree
from flowerbed.runs.records.capturing import handed_in

Git = Callable[..., str]
FILES = ("client.py", "new.py")


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """Make a repository with an app in a folder, and return what runs git in it."""
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"]

    def run(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    app = tmp_path / "apps" / "one"
    app.mkdir(parents=True)
    (app / "client.py").write_text("rate = 1\n")
    (tmp_path / "other.txt").write_text("other\n")
    (tmp_path / ".gitignore").write_text("*.log\n")
    run("init", "-q", "-b", "trunk")
    run("add", ".")
    run("commit", "-qm", "one")
    return run


@pytest.fixture
def app(git: Git, tmp_path: Path) -> Path:
    return tmp_path / "apps" / "one"


def test_a_clean_folder(git: Git, app: Path, tmp_path: Path) -> None:
    """Commit, branch and remote are known, without the credentials in its address; nothing is written."""
    git("remote", "add", "origin", "https://user:secret@example.org/apps.git?token=secret")
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / ".git").rglob("*"))
    (tmp_path / "other.txt").write_text("changed elsewhere\n")
    (app / "note.txt").write_text("not sent\n")
    (app / "run.log").write_text("ignored\n")
    found = working_tree(app, FILES)
    assert found is not None
    assert (found.commit, found.branch) == (git("rev-parse", "HEAD"), "trunk")
    assert found.remote == "https://example.org/apps.git"
    assert (found.dirty, found.diff, found.problem) == (False, b"", "")
    after = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / ".git").rglob("*"))
    # positive control: git status in the repository itself would write its index
    assert before == after


def test_a_changed_folder(git: Git, app: Path, tmp_path: Path) -> None:
    """The diff has changed, deleted and new files of what is sent, and restores them from the commit."""
    (app / "gone.py").write_text("gone = 1\n")
    (app / "secrets.env").write_text("key=1\n")
    git("add", ".")
    git("commit", "-qm", "two")
    (app / "gone.py").unlink()
    (app / "client.py").write_text("rate = 2\n")
    (app / "new.py").write_text("new = 1\n")
    (app / "made.log").write_text("ignored by git, but sent\n")
    (app / "not-sent.py").write_text("x = 1\n")
    (app / "secrets.env").write_text("key=2\n")  # known to git, but not sent
    found = working_tree(app, (*FILES, "made.log"))
    assert found is not None
    assert (found.dirty, found.problem) == (True, "")
    assert b"not-sent" not in found.diff
    assert b"secrets" not in found.diff
    (app / "made.log").unlink()
    (tmp_path / "patch").write_bytes(found.diff)
    (app / "new.py").unlink()
    git("checkout", "-q", "--", ".")
    git("apply", "patch")
    assert (app / "client.py").read_text() == "rate = 2\n"
    assert (app / "new.py").read_text() == "new = 1\n"
    assert not (app / "gone.py").exists()
    assert (app / "made.log").exists()


def test_an_app_at_the_top(git: Git, tmp_path: Path) -> None:
    """The repository itself may be the app; a path with a colon is one."""
    top = tmp_path / "a:b"
    (tmp_path / "apps").rename(tmp_path / "sent")
    subprocess.run(["git", "clone", "-q", str(tmp_path), str(top)], check=True)
    clean = working_tree(top, ["other.txt"])
    assert clean is not None
    assert (clean.dirty, clean.problem) == (False, "")
    (top / "other.txt").write_text("changed\n")
    changed = working_tree(top, ["other.txt"])
    assert changed is not None
    assert b"+changed" in changed.diff
    assert changed.commit == git("rev-parse", "HEAD")


def test_a_linked_working_tree(git: Git, app: Path, tmp_path: Path) -> None:
    """Its `.git` is a file; branch and commit are its own, the objects the repository's."""
    git("worktree", "add", "-q", "-b", "twig", "linked")
    (tmp_path / "linked" / "apps" / "one" / "client.py").write_text("rate = 5\n")
    found = working_tree(tmp_path / "linked" / "apps" / "one", FILES)
    assert found is not None
    assert (found.branch, found.dirty, found.problem) == ("twig", True, "")
    assert b"+rate = 5" in found.diff
    assert working_tree(app, FILES) != found


@pytest.mark.parametrize(
    ("remote", "kept"),
    [
        ("https://user:secret@example.org/a.git", "https://example.org/a.git"),
        ("https://secret@example.org/a.git", "https://example.org/a.git"),
        ("ssh://git@example.org/a.git", "ssh://git@example.org/a.git"),
        ("ssh://git:secret@example.org/a.git", "ssh://example.org/a.git"),
        ("git@example.org:a.git", "git@example.org:a.git"),
        ("hg::https://user:secret@example.org/a", "hg::https://example.org/a"),
        ("ext::sh -c 'curl -H secret'", "ext::"),
    ],
)
def test_remotes_have_no_credentials(git: Git, app: Path, remote: str, kept: str) -> None:
    """Whatever form of address git accepts."""
    git("config", "remote.origin.url", remote)
    found = working_tree(app, FILES)
    assert found is not None
    assert found.remote == kept


def test_filtered_files_are_not_compared(git: Git, app: Path) -> None:
    """A file of Git LFS is a pointer in the commit: without its program, nothing is known of it."""
    (app / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (app / "model.bin").write_text("version https://git-lfs.github.com/spec/v1\n")
    git("add", ".")
    git("commit", "-qm", "pointer")
    (app / "model.bin").write_bytes(b"\0weights")
    found = working_tree(app, ("client.py", "model.bin"))
    assert found is not None
    assert (found.dirty, found.diff) == (None, b"")
    assert found.problem == "1 files were not compared, apps/one/model.bin for one"


def test_a_folder_that_the_commit_lacks(git: Git, tmp_path: Path) -> None:
    """All that is sent of it is new; a folder in no repository has no working tree."""
    (tmp_path / "fresh").mkdir()
    (tmp_path / "fresh" / "new.py").write_text("new = 1\n")
    found = working_tree(tmp_path / "fresh", FILES)
    assert found is not None
    assert (found.dirty, found.commit) == (True, git("rev-parse", "HEAD"))
    assert working_tree(Path("/"), ()) is None


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    """The problem is named."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    found = working_tree(tmp_path, ())
    assert found is not None
    assert (found.commit, found.problem) == ("", "the repository has no commit")


def test_a_hostile_repository_runs_nothing(git: Git, app: Path, tmp_path: Path) -> None:
    """Programs that its configuration, attributes and hooks name are not started."""
    sign = tmp_path / "sign"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {sign}\ncat\n")
    program.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "core.sshCommand", "diff.external", "diff.evil.command",
                "diff.evil.textconv", "filter.evil.clean", "filter.evil.smudge", "filter.evil.process",
                "core.alternateRefsCommand", "credential.helper", "core.editor"):  # fmt: skip
        git("config", key, str(program))
    git("config", "core.worktree", "/etc")
    hooks = tmp_path / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "pre-commit", "reference-transaction", "fsmonitor-watchman"):
        (hooks / name).symlink_to(program)
    (app / "model.bin").write_text("1")
    git("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.worktree=..", "add", ".")
    sign.unlink(missing_ok=True)
    (app / ".gitattributes").write_text("*.py diff=evil\n*.bin filter=evil diff=evil\n")
    (app / "client.py").write_text("rate = 3\n")
    (app / "new.py").write_text("new = 1\n")
    (app / "model.bin").write_text("2")
    found = working_tree(app, (*FILES, "model.bin"))
    assert not sign.exists()
    assert found is not None
    assert found.problem == "1 files were not compared, apps/one/model.bin for one"
    assert b"+rate = 3" in found.diff
    git("config", "--unset", "core.worktree")
    subprocess.run(["git", "-C", str(tmp_path), "status"], capture_output=True, check=False)
    assert sign.exists()  # positive control: git itself starts them


def test_submodules_are_not_entered(git: Git, app: Path, tmp_path: Path) -> None:
    """A submodule's configuration may name programs as well."""
    inner = app / "inner"
    subprocess.run(["git", "init", "-q", str(inner)], check=True)
    (inner / "file").write_text("x")
    for arguments in (["add", "."], ["-c", "user.name=t", "-c", "user.email=t@e", "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(inner), *arguments], check=True, capture_output=True)
    git("add", ".")
    git("commit", "-qm", "module")
    sign = tmp_path / "sign"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {sign}\n")
    program.chmod(0o755)
    subprocess.run(["git", "-C", str(inner), "config", "core.fsmonitor", str(program)], check=True)
    (inner / "file").write_text("changed")
    found = working_tree(app, FILES)
    assert found is not None
    assert (found.dirty, found.problem) == (False, "")
    found = working_tree(app, (*FILES, "inner/file"))
    assert found is not None
    assert (found.dirty, found.problem) == (None, "1 files were not compared, apps/one/inner/file for one")
    assert not sign.exists()


def test_it_is_bounded(git: Git, app: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A long diff is cut at a line and said to be; a git that takes too long is ended."""
    monkeypatch.setattr(flower_tree, "LARGEST_DIFF", 1000)
    (app / "client.py").write_text("rate = 1\n" * 1000)
    found = working_tree(app, FILES)
    assert found is not None
    assert found.dirty is True
    assert len(found.diff) <= 1000
    assert found.diff.endswith(b"\n")
    assert "more than 1,000 bytes" in found.problem
    slow = tmp_path / "bin"
    slow.mkdir()
    (slow / "git").write_text("#!/bin/sh\nexec sleep 600\n")
    (slow / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(flower_tree, "SECONDS", 0.3)
    found = working_tree(app, FILES)
    assert found is not None
    assert found.problem == "git took longer than 0.3 s"
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    found = working_tree(app, FILES)
    assert found is not None
    assert found.problem == "git is not installed here"


def test_the_environment(tmp_path: Path) -> None:
    """Versions of what is installed, the first folder's before others'."""
    found = environment()
    assert found["flower"]
    assert found["python"]
    assert "flwr" in found["packages"]  # type: ignore[operator]
    for folder, version in (("one", "1.0"), ("two", "2.0")):
        (tmp_path / folder / f"Some_Thing.X-{version}.dist-info").mkdir(parents=True)
    (tmp_path / "two" / "old-3.1-py3.11.egg-info").mkdir()
    (tmp_path / "two" / "nothing").mkdir()
    assert packages([str(tmp_path / "one"), str(tmp_path / "two"), "/nowhere"]) == {
        "old": "3.1",
        "some-thing-x": "1.0",
    }


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (["https://user:secret@example.org/x.git?sig=secret"], ["https://example.org/x.git"]),
        (["a,http://u:secret@x", "https://x?a,http://u:secret@y"], ["a,http://x", "https://x"]),
        (["--token-file=token.txt", "app"], ["--token-file=token.txt", "app"]),
        (["--set=passphrase=secret", "app"], [f"--set=passphrase={HIDDEN}", "app"]),
        (["passphrase=secret"], [f"passphrase={HIDDEN}"]),
        (["--set", "api-key=secret"], ["--set", f"api-key={HIDDEN}"]),
        (["--set=db-password=secret"], [f"--set=db-password={HIDDEN}"]),
        (["--token-file", "token.txt"], ["--token-file", "token.txt"]),
        (["--token-file=token.txt"], ["--token-file=token.txt"]),
        (["--client-key", "client.key"], ["--client-key", "client.key"]),
        (["--token", "secret"], ["--token", HIDDEN]),
        (["--set", "lr=0.1", "\x1b[2J"], ["--set", "lr=0.1", "\N{REPLACEMENT CHARACTER}[2J"]),
    ],
)
def test_command_lines_hold_no_secret(arguments: list[str], kept: list[str]) -> None:
    """Paths stay; what opens something does not."""
    assert command_line(arguments) == kept
    assert "secret" not in "".join(command_line(arguments))


def test_submit_py_leaves_it(git: Git, app: Path, tmp_path: Path) -> None:
    """Labels, working tree, diff, environment and command line are handed in."""
    (app / "client.py").write_text("rate = 2\n")
    said: list[str] = []
    record = FolderRecord(tmp_path / "runs", said.append, labels("first", ["a"], "note"), ["submit.py", "x"])
    sent = App(title="t/a 1.0", fab=b"", files={"client.py": 9}, defaults={})
    record.started(12, sent, Source(kind="folder", location=str(app)), {})
    record.end(Outcome(run_id="12", status="completed", reason="", exit_code=0))
    found = handed_in(tmp_path / "runs", "12")
    assert found is not None
    assert (found.name, found.tags, found.note, found.command) == (
        "first",
        ("a",),
        "note",
        ("submit.py", "x"),
    )
    assert found.environment is not None
    assert found.environment.python
    assert found.source is not None
    assert found.source.tree is not None
    assert (found.source.commit, found.source.tree.dirty) == (git("rev-parse", "HEAD"), True)
    assert found.source.revision == f"{found.source.commit[:12]} + changes"
    assert "+rate = 2" in (tmp_path / "runs" / "12" / DIFF).read_text()
    assert said == [f"record: {tmp_path / 'runs' / '12'}"]
