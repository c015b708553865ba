"""An app from each kind of source, trained by real SuperNodes: submit.py as it is, one federation for all."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from flowerbed.flower.app.build import build
from flowerbed.local import Federation
from support.git_repositories import commit, git, write
from support.loopback_federation import LIMIT, SUBMIT
from support.source_servers import Served

HELPERS = """\
import numpy as np
from flwr.app import ArrayRecord, MetricRecord, RecordDict

TRUTH = np.array([2.0, -1.0])


def step(weights, seed):
    data = np.random.default_rng(seed).normal(size=(200, 2))
    for _ in range(50):
        weights = weights - 0.1 * data.T @ (data @ (weights - TRUTH)) / len(data)
    return weights, float(np.abs(weights - TRUTH).max())


def record(weights, **metrics):
    return RecordDict({"weights": ArrayRecord([weights]), "metrics": MetricRecord(metrics or {"loss": 0.0})})
"""
CLIENT = """\
from flwr.app import Message
from flwr.clientapp import ClientApp
from helpers import record, step

app = ClientApp()


@app.train()
def train(message, context):
    weights, loss = step(message.content["weights"].to_numpy_ndarrays()[0], context.node_id % 1000)
    return Message(record(weights, loss=loss), reply_to=message)
"""
SERVER = """\
import numpy as np
from flwr.app import Message
from flwr.serverapp import ServerApp
from helpers import TRUTH, record

app = ServerApp()


@app.main()
def main(grid, context):
    nodes, weights = list(grid.get_node_ids()), np.zeros(2)
    asked = [Message(record(weights), dst_node_id=node, message_type="train") for node in nodes]
    replies = list(grid.send_and_receive(asked, timeout=100))
    weights = np.mean([reply.content["weights"].to_numpy_ndarrays()[0] for reply in replies], axis=0)
    print(context.run_config["word"], len(replies), "nodes, off by", np.abs(weights - TRUTH).max())
    assert len(replies) == len(nodes) == 2 and np.abs(weights - TRUTH).max() < 0.05
"""
PYPROJECT = """\
[project]
name = "pieces"
version = "1.0.0"
dependencies = ["flwr>=1.41,<1.42"]

[tool.flwr.app]
publisher = "tests"

[tool.flwr.app.components]
serverapp = "server:app"
clientapp = "client:app"

[tool.flwr.app.config]
word = "trained on"
"""
PIECES = {"client.py": CLIENT, "server.py": SERVER, "helpers.py": HELPERS}
APP = {**PIECES, "pyproject.toml": PYPROJECT}
TOKEN = "t0k3n-of-this-test"


@dataclass(frozen=True)
class Ended:
    """A submission that ended."""

    code: int
    output: str
    errors: str


@dataclass(frozen=True)
class Place:
    """Where the app lies, and the environment of submit.py."""

    folder: Path
    served: Served
    environment: Mapping[str, str]

    def start(self, *arguments: str, connection: Path | None) -> subprocess.Popen[str]:
        to = ["--connection", str(connection)] if connection else []
        return subprocess.Popen(
            [sys.executable, str(SUBMIT), *arguments, *to, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=dict(self.environment),
        )

    def scratch(self) -> list[Path]:
        return list(Path(self.environment["TMPDIR"]).iterdir())


@pytest.fixture(scope="module")
def place(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Lay the app out in each way."""
    folder = write(tmp_path_factory.mktemp("place"), {f"app/{name}": text for name, text in APP.items()})
    write(folder, {**PIECES, "token": TOKEN, "requirements.txt": "numpy>=1.26\n"})
    (folder / "pieces.fab").write_bytes(build(folder / "app"))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in APP.items():
            archive.writestr(f"pieces-1.0/{name}", text)
    (folder / "pieces.zip").write_bytes(zipped.getvalue())
    (served.web.root / "pieces.zip").write_bytes(zipped.getvalue())
    work = tmp_path_factory.mktemp("pieces")
    commit(work, {f"apps/pieces/{name}": text for name, text in APP.items()})
    git(work, "clone", "--quiet", "--bare", str(work), str(served.bare.parent / "pieces.git"))
    scratch = tmp_path_factory.mktemp("scratch")
    kept = {name: value for name, value in os.environ.items() if name != "GIT_SSL_CAINFO"}
    return Place(
        folder, served, kept | {"SSL_CERT_FILE": f"{served.web.root}/ca.crt", "TMPDIR": str(scratch)}
    )


def arguments(served: Served) -> dict[str, list[str]]:
    """Return what submit.py is told for each kind of source."""
    web, ssh = served.web.address, served.ssh
    return {
        "folder": ["app"],
        "fab": ["pieces.fab"],
        "archive": ["pieces.zip"],
        "archive by address": [f"https://{web}/pieces.zip", "--token-file", "token"],
        "git by token": [
            f"git+https://{web}/git/pieces.git@main#subdirectory=apps/pieces",
            *["--token-file", "token", "--username", "reader"],
        ],
        "git by ssh": [
            f"git+ssh://{ssh.address}{served.bare.parent}/pieces.git",
            *["--path", "apps/pieces", "--ssh-key", str(ssh.key), "--known-hosts", str(ssh.known_hosts)],
        ],
        "pieces": [
            *["--client", "client.py:app", "--server", "server.py", "--module", "helpers.py"],
            *["--requirements", "requirements.txt", "--set", "word=trained on", "--app-name", "pieces"],
        ],
    }


KINDS = ["folder", "fab", "archive", "archive by address", "git by token", "git by ssh", "pieces"]


@pytest.fixture(scope="module")
def ended(place: Place, hospitals: Federation) -> dict[str, Ended]:
    """Submit the app from every source at the same time, and wait for all of it."""
    before = {file: file.stat().st_mtime_ns for file in place.folder.rglob("*")}
    place.served.web.answers, place.served.web.redirects = {}, {}
    basic = base64.b64encode(f"reader:{TOKEN}".encode()).decode()
    place.served.web.allowed = {f"Bearer {TOKEN}", f"Basic {basic}"}
    connection = hospitals.connection("sam")
    said = arguments(place.served)
    assert list(said) == KINDS
    processes = {kind: place.start(*said[kind], connection=connection) for kind in said}
    found = {}
    try:
        for kind, process in processes.items():
            output, errors = process.communicate(timeout=3 * LIMIT)
            found[kind] = Ended(process.returncode, output, errors)
    finally:
        place.served.web.allowed = set()
        for process in processes.values():
            process.kill()
            process.wait()
    assert {file: file.stat().st_mtime_ns for file in place.folder.rglob("*")} == before
    assert place.scratch() == []
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_trained(ended: dict[str, Ended], kind: str) -> None:
    """The run completes on both nodes; what is told of it names the source, and no secret."""
    code, output, errors = ended[kind].code, ended[kind].output, ended[kind].errors
    assert code == 0, errors
    assert json.loads(output.splitlines()[-1])["status"] == "completed"
    assert "trained on 2 nodes, off by" in errors
    assert f"source: {kind.partition(' ')[0].replace('pieces', 'inline')} " in errors
    assert TOKEN not in output + errors


def test_the_same_bytes(ended: dict[str, Ended]) -> None:
    """The same files are the same FAB, wherever they come from."""
    hashes = {kind: one.errors.partition(": FAB ")[2].split()[0] for kind, one in ended.items()}
    assert len({value for kind, value in hashes.items() if kind != "pieces"}) == 1


@pytest.mark.parametrize("kind", ["folder", "git by ssh", "pieces"])
def test_dry_run(place: Place, kind: str) -> None:
    """Without a connection, --dry-run says what would be sent, and sends nothing."""
    process = place.start(*arguments(place.served)[kind], "--dry-run", connection=None)
    output, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, errors
    shown = json.loads(output)
    assert set(shown["files"]) == set(APP)
    assert (shown["config"], len(shown["fab_hash"])) == ({"word": "trained on"}, 64)
    assert bool(shown["source"]["commit"]) == ("git" in kind)
    assert ('name = "pieces"' in shown.get("pyproject", "")) == (kind == "pieces")
    assert place.scratch() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_it_is_fetched(place: Place, number: int) -> None:
    """Nothing is left of a fetch that is interrupted: no process, no file."""
    asked, done = threading.Event(), threading.Event()

    def silent(_: BaseHTTPRequestHandler) -> None:
        asked.set()
        done.wait(60)

    place.served.web.answers["/git/pieces.git/info/refs"] = silent
    try:
        process = place.start(
            f"git+https://{place.served.web.address}/git/pieces.git", "--dry-run", connection=None
        )
        assert asked.wait(LIMIT)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(number)
        _, errors = process.communicate(timeout=LIMIT)
    finally:
        done.set()
        place.served.web.answers.clear()
    assert process.returncode == 130, errors
    assert "nothing was sent" in errors
    assert children
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
    assert place.scratch() == []
