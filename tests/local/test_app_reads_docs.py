"""The table in docs/local.md of what apps read is what an app finds that looks.

Run as a program, as `make generated` does, it starts a federation and writes the table anew.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from flowerbed.declaration import load_plan
from flowerbed.local import Federation, up
from flowerbed.local.state import StateDirectory
from marked import replaced, table
from support.app_reads import APP, STAY, other_app, read, rows
from support.local_federation import declare, flowerbed, until
from support.paths import ROOT, writing

PAGE = ROOT / "docs" / "local.md"
COLUMNS = {
    "ServerApp": "server",
    "ClientApp, `isolation: subprocess`": "within",
    "ClientApp, `isolation: process`": "beside",
}
DECLARATION = """\
version: 1
name: readers
tenants:
  - {name: north, nodes: 1, isolation: subprocess, config: {place: within}}
  - {name: west, nodes: 1, isolation: process, config: {place: beside}}
users: [{name: sam}, {name: olga}]
"""


def submitted(
    federation: Federation, app: Path, user: str, *options: str
) -> subprocess.CompletedProcess[str]:
    """Submit an app as a user."""
    folder = StateDirectory.of(federation.file, federation.record.name).path
    connection = folder / "users" / user / "connection.toml"
    command = flowerbed("submit", app, "--connection", connection, "--set", f"below={folder}", *options)
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, cwd=folder.parent
    )


def logs(federation: Federation, run: str) -> str:
    """Return what a run has printed so far."""
    connection = StateDirectory.of(federation.file, federation.record.name).path / "users/sam/connection.toml"
    command = flowerbed("logs", run, "--connection", connection)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout


def reads(federation: Federation, folder: Path) -> str:
    """Return what one user's app reads while another's runs, as a table."""
    stays = submitted(
        federation, other_app(folder / "other"), "sam", "--detach", "--json", "--set", f"stay={STAY}"
    )
    assert stays.returncode == 0, stays.stderr
    run = str(json.loads(stays.stdout.splitlines()[-1])["run_id"])
    try:
        until(lambda: "it stays" in logs(federation, run), 60, "another run")
        looks = submitted(federation, APP, "olga", "--timeout", "100s")
    finally:
        connection = (
            StateDirectory.of(federation.file, federation.record.name).path / "users/sam/connection.toml"
        )
        subprocess.run(flowerbed("stop", run, "--connection", connection), check=False, timeout=60)
    assert looks.returncode == 0, looks.stdout + looks.stderr
    found = read(looks.stdout + looks.stderr)
    return table(["what can be read", *COLUMNS], rows({name: found[side] for name, side in COLUMNS.items()}))


def found_here(folder: Path) -> str:
    """Return the table of a federation that is started for it."""
    file = declare(folder / "federation", DECLARATION)
    with up(load_plan(file), file) as started:
        return reads(started, folder)


def test_the_table_of_what_apps_read_is_true(tmp_path: Path) -> None:
    """Every thing, by every kind of app: what is written is what an app found."""
    text = PAGE.read_text(encoding="utf-8")
    found = found_here(tmp_path)
    assert text == replaced(text, "reads", found), writing(__file__)
    assert "| a token of the Kubernetes API | – | – | – |" in found
    assert "| the token of another running app | yes | yes | yes |" in found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        written = replaced(PAGE.read_text(encoding="utf-8"), "reads", found_here(Path(name)))
    PAGE.write_text(written, encoding="utf-8")
