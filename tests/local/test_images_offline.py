"""Images of a federation on this machine: `up` with the same packages, from a wheelhouse, offline."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flowerbed.declaration import load_plan
from flowerbed.images.environment import environments
from flowerbed.images.inputs import inputs_of
from flowerbed.images.locking import lock
from flowerbed.images.processes import discard
from flowerbed.images.wheels import wheels
from support.hello_app import APP, write_app
from support.local_federation import declare, foreground, run, until_online

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
TEXT = """\
version: 1
name: offline
tenants: [{{name: north, nodes: 1}}]
users: [{{name: analyst, role: submitter}}]
images: {{all: {{python: "{python}", dependencies: [toolz], repository: registry.example.org/a/b{more}}}}}
"""


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with toolz, flwr and what that needs, downloaded as for a build."""
    file = declare(tmp_path_factory.mktemp("wheelhouse"), TEXT.format(python=PYTHON, more=""))
    inputs = inputs_of(load_plan(file), "superexec", file.parent)
    return wheels(inputs, lock(inputs, file, tell=discard), discard)


def test_up_trains_with_the_locked_packages(
    wheelhouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Server and node import what only the images have; neither an index nor a cache was there to help."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    file = declare(tmp_path / "here", TEXT.format(python=PYTHON, more=f", wheelhouse: {wheelhouse}"))
    app = write_app(tmp_path / "app")
    with pytest.raises(ImportError):
        __import__("toolz")
    needing = APP.replace(
        '"said": ConfigRecord({"site": site})', '"said": ConfigRecord({"site": toolz.__name__})'
    )
    (app / "hello.py").write_text(f"import toolz\n{needing}")
    # What `up` does first, made here so that its time does not count as the federation's.
    made = environments(load_plan(file), file, discard)
    assert len(set(made.values())) == 1
    with foreground(file) as process:
        until_online(file, process)
        done = run("submit", app, "--file", file, "--timeout", "90")
    assert done.returncode == 0, done.stderr
    assert "answers: toolz" in done.stdout + done.stderr
    locks = {path.name: path.read_text() for path in (file.parent / "images.lock").glob("*.txt")}
    assert set(locks) == {"superexec.txt", "superlink.txt", "supernode.txt"}
    assert all("toolz==" in text and "flwr==1.41.0" in text for text in locks.values())
    assert "making an environment" not in (file.parent / "up.log").read_text()


def test_signing_takes_cosign(tmp_path: Path) -> None:
    """Without it the error comes before anything is locked or built, with the way out."""
    file = declare(tmp_path, TEXT.format(python=PYTHON, more=""))
    done = run("build", "--file", file, "--push", "--sign", environment={"PATH": str(tmp_path)})
    assert done.returncode == 2
    assert "signing needs cosign, which is not installed" in done.stderr
    assert "leave --sign out" in done.stderr
    assert not (tmp_path / "images.lock").exists()
    alone = run("build", "--file", file, "--sign")
    assert (alone.returncode, "only what is pushed is signed" in alone.stderr) == (2, True)
    alone = run("build", "--file", file, "--push", "--cosign", "--key cosign.key")
    assert (alone.returncode, "--cosign says how to sign" in alone.stderr) == (2, True)
