"""What another user's app, a node or the SuperLink says, through every verb, on a terminal and in a pipe."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowerbed import runs
from flowerbed.flower.app.build import build
from flowerbed.flower.client import FlowerClient, messages
from support.apps import PYPROJECT, write_app
from support.local_federation import flowerbed as command_line
from support.loopback_federation import LIMIT, Federation, last_word, running
from support.terminal import Terminal

# A title, a clipboard, a hyperlink, a device control string, C1 forms of both, and a cleared screen.
HOSTILE = (
    r"\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b]8;;https://example.org\x1b\\"
    r"\x1bP1$r0m\x1b\\\x9b2J\x9d0;owned\x9c\x1b[2J\x1b[H"
)
# In a publisher, which names a folder where the app runs: without slashes.
PUBLISHER = r"\u001b]0;owned\u0007\u001b]52;c;b3duZWQ=\u0007\u009b2J\u001b[2J\u001b[H"
SERVER = f"""\
import json

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

app = ServerApp()
HOSTILE = "{HOSTILE}"


@app.main()
def main(grid: Grid, context: Context) -> None:
    print("\\x1b[92mgreen\\x1b[0m", HOSTILE, "end of the line")
    print("config", json.dumps({{f"key {{HOSTILE}}": HOSTILE}}, ensure_ascii=False))
    print("metrics", json.dumps({{"round": 1, f"accuracy {{HOSTILE}}": 0.5}}, ensure_ascii=False))
    told = {{"round": 1, "node": HOSTILE, "examples": 3, "site": HOSTILE, "accuracy": 0.5}}
    print("metrics", json.dumps(told, ensure_ascii=False))
    part = {{"name": HOSTILE, "sha256": HOSTILE, "part": 1, "parts": 1, "data": ""}}
    print("artifact", json.dumps(part, ensure_ascii=False), flush=True)
    raise RuntimeError(f"failed {{HOSTILE}}\\nrun 1: completed")
"""
COLOR = re.compile(r"\x1b\[[0-9;]*m")
# What the table of rounds itself does to a terminal: hides the cursor, goes up, clears a line.
TABLE = re.compile(r"\x1b\[\?25[lh]|\x1b\[\d*A|\x1b\[2K|\r")
VERBS = [
    ("runs",),
    ("runs", "--json"),
    ("runs", "compare", "{run}", "{other}"),
    ("runs", "compare", "{run}", "{other}", "--json"),
    ("logs", "{run}"),
    ("logs", "{run}", "--raw"),
    ("logs", "{run}", "--follow"),
    ("attach", "{run}"),
    ("attach", "{run}", "--plain", "--json"),
    ("report", "{run}"),
    ("report", "{run}", "--json"),
    ("artifacts", "{run}"),
    ("artifacts", "{run}", "--json"),
    ("stop", "{run}"),
    ("stop", "{run}", "--json"),
]


@dataclass(frozen=True)
class Hostile:
    """A federation with two runs of an app that means harm, started by a client that checks nothing."""

    federation: Federation
    app: Path
    run: str
    other: str


def start(federation: Federation, app: Path) -> str:
    """Pack as Flower does, start without a check, and wait for the end."""

    fab, control = build(app), messages()
    request = control.StartRunRequest()
    request.fab.hash_str, request.fab.content = hashlib.sha256(fab).hexdigest(), fab
    with FlowerClient(federation.connection()) as client:
        run = str(client.call("control/start-run", request, control.StartRunResponse).run_id)
    assert runs.follow(federation.connection(), run).exit_code == 1
    return run


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    """Start the federation, a node whose name means harm, and the runs."""
    folder = tmp_path_factory.mktemp("hostile")
    pyproject = PYPROJECT.replace('"flowerbed"', f'"{PUBLISHER}"').replace('"1.0.0"', f'"1.0{PUBLISHER}"')
    app = write_app(folder / "app", {"pyproject.toml": pyproject, "tiny/server.py": SERVER})
    (folder / "parts").mkdir()
    with running(folder / "parts") as federation:
        federation.register(HOSTILE.encode().decode("unicode_escape"))
        yield Hostile(federation, app, start(federation, app), start(federation, app))


def arguments(hostile: Hostile, verb: tuple[str, ...], records: Path) -> list[str]:
    filled = [word.format(run=hostile.run, other=hostile.other) for word in verb]
    where = ["--connection", str(hostile.federation.connection_file())]
    keeps = {"logs", "attach", "report", "artifacts"} & set(verb) or "compare" in verb
    return [*filled, *where, *(["--records", str(records)] if keeps else [])]


def controls(shown: str, *allowed: re.Pattern[str]) -> set[str]:
    """Return the characters of a text that do more than show, those of allowed sequences left out."""
    for pattern in allowed:
        shown = pattern.sub("", shown)
    return {repr(one) for one in shown if not one.isprintable() and one not in "\n\t"}


def test_the_harm_is_really_there(hostile: Hostile) -> None:
    """Positive control: publisher, reason, log and a node's name reach the client as they were sent."""
    connection = hostile.federation.connection()
    record = runs.get_run(connection, hostile.run)
    names = [node.name for node in runs.list_nodes(connection)]
    for text in (record.fab_id, record.details, runs.read_log(connection, hostile.run), *names):
        assert {"'\\x1b'", "'\\x9b'"} <= controls(text)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_pipe_gets_no_control(hostile: Hostile, verb: tuple[str, ...], tmp_path: Path) -> None:
    """Not even a color; JSON holds the texts whole, escaped."""
    command = command_line(*arguments(hostile, verb, tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert not controls(done.stdout)
    assert not controls(done.stderr)
    assert "this is a defect" not in done.stderr
    assert hostile.run[:8] in done.stdout + done.stderr + str(command)
    if verb[-1] == "--json" and "attach" not in verb:
        json.loads(done.stdout)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_terminal_gets_colors_alone(hostile: Hostile, verb: tuple[str, ...], tmp_path: Path) -> None:
    """Flower's colors stay; the table of rounds moves the cursor, and nothing else does."""
    terminal = Terminal(*arguments(hostile, verb, tmp_path))
    shown = terminal.end().replace("\r\n", "\n")
    table = verb == ("attach", "{run}")
    assert not controls(shown, COLOR, *([TABLE] if table else []))
    if verb[0] in {"logs", "attach"}:
        assert ("\x1b[92m" in shown) is not table
        assert "\nrun 1: completed" not in shown.partition(f"run {hostile.run}: failed")[2]


def test_records_hold_no_control(hostile: Hostile, tmp_path: Path) -> None:
    """A record's files can be printed as well."""
    command = command_line(*arguments(hostile, ("report", "{run}"), tmp_path))
    subprocess.run(command, capture_output=True, timeout=LIMIT, check=True)
    for name in ("record.json", "log.txt"):
        assert not controls((tmp_path / hostile.run / name).read_text(), COLOR)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_hostile_app_is_refused_in_plain_text(hostile: Hostile, as_json: bool, tmp_path: Path) -> None:
    """What `submit` says of such a folder holds no control either."""
    options = ["--records", str(tmp_path), *(["--json"] if as_json else [])]
    where = ["--connection", str(hostile.federation.connection_file())]
    shown = Terminal("submit", hostile.app, *where, *options).end().replace("\r\n", "\n")
    assert "error: " in shown
    assert not controls(shown, COLOR, TABLE)
    assert last_word(hostile.federation, hostile.other) == "failed"
