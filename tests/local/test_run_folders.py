"""A working folder for each run: what apps leave there, apart from other runs', fetched and kept."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.apps import PYPROJECT, write_app
from support.local_federation import HOSPITALS, declare, flowerbed, foreground, run, state, until_online

BIG = 9_000_000
SERVER = f"""\
import os
import time
from pathlib import Path

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import ServerApp

app = ServerApp()


@app.main()
def main(grid, context):
    word = context.run_config["word"]
    print("found here:", sorted(os.listdir()), flush=True)
    Path("model.txt").write_text(word)
    Path("out/deep").mkdir(parents=True)
    Path("out/deep/notes.txt").write_text(word * 2)
    Path("big.bin").write_bytes(bytes({BIG}))
    Path("a name with spaces").write_text(word)
    Path(".hidden").write_text(word)
    os.symlink("/etc/hostname", "link.txt")
    os.mkfifo("pipe")
    nodes = list(grid.get_node_ids())
    for _ in range(2):
        asked = [Message(RecordDict(), dst_node_id=node, message_type="query") for node in nodes]
        for answer in grid.send_and_receive(asked, timeout=60):
            print("a node:", answer.content["said"]["lines"], flush=True)
    end = time.time() + context.run_config["seconds"]
    while time.time() < end:
        time.sleep(0.1)
    if context.run_config["fails"]:
        raise RuntimeError("after it had saved its model")
"""
CLIENT = """\
from pathlib import Path

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.query()
def query(message, context):
    with Path("seen.txt").open("a") as file:
        file.write(f"{context.run_id}\\n")
    lines = Path("seen.txt").read_text().split()
    assert set(lines) == {str(context.run_id)}, lines
    return Message(RecordDict({"said": ConfigRecord({"lines": len(lines)})}), reply_to=message)
"""
FILES = {
    "pyproject.toml": PYPROJECT + '\nword = "one"\nseconds = 0.0\nfails = false\n',
    "tiny/server.py": SERVER,
    "tiny/client.py": CLIENT,
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an app that leaves files."""
    return write_app(tmp_path_factory.mktemp("leaves") / "app", FILES)


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the declaration of a federation that is up."""
    file = declare(tmp_path_factory.mktemp("folders"), HOSPITALS)
    with foreground(file) as process:
        until_online(file, process)
        yield file


def submitted(app: Path, file: Path, word: str, *more: object) -> subprocess.Popen[str]:
    """Start `flowerbed submit` with a word for the files."""
    words = ("--set", f'word="{word}"', "--json", *more)
    return subprocess.Popen(
        flowerbed("submit", app, "-f", file, *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read(folder: Path, name: str) -> str:
    """Return the text of a file that was fetched."""
    return (folder / name).read_text()


def test_two_runs_at_once_have_files_of_their_own(app: Path, federation: Path, tmp_path: Path) -> None:
    """Each starts in an empty folder, at the nodes as well, where it stays between rounds; all is fetched."""
    words = {"alpha": "", "beta": ""}
    runs = {word: submitted(app, federation, word, "--set", "seconds=3.0") for word in words}
    for word, process in runs.items():
        said, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
        words[word] = said.splitlines()[0]
        assert "found here: []" in told
        assert (told.count("a node: 1"), told.count("a node: 2")) == (2, 2), told
        assert "artifact {" not in told
    for word, run_id in words.items():
        folder = tmp_path / word
        folder.mkdir()
        done = run("artifacts", run_id, "-f", federation, "-o", folder, "--json")
        found = {one["name"]: one for one in json.loads(done.stdout)}
        assert read(folder, "model.txt") == word
        assert read(folder, "out/deep/notes.txt") == word * 2
        assert (folder / "big.bin").stat().st_size == BIG, "copied from this machine's disk"
        assert not {"link.txt", "pipe", ".hidden"} & set(found)
        assert "not a plain file name" in found["a name with spaces"]["problem"]
        assert done.returncode == 0, "what is too large for the log is no damage"
    kept = {path.name for path in (state(federation).path / "superexec" / "runs").iterdir()}
    assert kept == set(words.values()), "the folders are kept: not everything was in the log"


def test_a_run_that_failed_gives_its_files_too(app: Path, federation: Path, tmp_path: Path) -> None:
    """What was saved before the exception is not lost."""
    process = submitted(app, federation, "gamma", "--set", "fails=true")
    said, told = process.communicate(timeout=120)
    assert process.returncode == 1, told
    done = run("artifacts", said.splitlines()[0], "-f", federation, "-o", tmp_path)
    assert read(tmp_path, "model.txt") == "gamma", done.stderr


def test_a_stopped_run_gives_its_files(app: Path, federation: Path, tmp_path: Path) -> None:
    """Who stops a run that has saved its model has the model."""
    process = submitted(app, federation, "delta", "--set", "seconds=60.0", "--timeout", "15s")
    said, told = process.communicate(timeout=120)
    assert process.returncode == 5, told
    run_id = said.splitlines()[0]
    assert run("stop", run_id, "-f", federation).returncode == 0
    until_given = run("attach", run_id, "-f", federation)
    done = run("artifacts", run_id, "-f", federation, "-o", tmp_path)
    assert read(tmp_path, "model.txt") == "delta", (until_given.stderr, done.stderr)


def test_a_federation_of_this_machine_alone_keeps_the_model(app: Path, tmp_path: Path) -> None:
    """`submit --local` takes everything into the record before it takes the federation down."""
    records = tmp_path / "runs"
    done = run("submit", app, "--local", "--records", records, "--json", "--set", 'word="mine"')
    assert done.returncode == 0, done.stderr
    folder = records / done.stdout.splitlines()[0] / "artifacts"
    assert read(folder, "model.txt") == "mine"
    assert (folder / "big.bin").stat().st_size == BIG
    assert str(folder) in done.stderr, "it says where they are"
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    assert not [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    assert oct((folder / "out").stat().st_mode & 0o777) == "0o700"
