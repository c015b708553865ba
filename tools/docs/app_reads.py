"""docs/reference/local.md: what apps read that belongs to others, as an app finds that looks for it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from docs.federation import running
from flowerbed.local import Federation
from flowerbed.local.state import StateDirectory
from marked import table
from support.app_reads import APP, STAY, other_app, read, rows
from support.local_federation import flowerbed, until

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
    if stays.returncode:
        raise RuntimeError(stays.stderr)
    run = str(json.loads(stays.stdout.splitlines()[-1])["run_id"])
    try:
        until(lambda: "it stays" in logs(federation, run), 60, "another run")
        looks = submitted(federation, APP, "olga", "--timeout", "100s")
    finally:
        connection = (
            StateDirectory.of(federation.file, federation.record.name).path / "users/sam/connection.toml"
        )
        subprocess.run(flowerbed("stop", run, "--connection", connection), check=False, timeout=60)
    if looks.returncode:
        raise RuntimeError(looks.stdout + looks.stderr)
    found = read(looks.stdout + looks.stderr)
    return table(["what can be read", *COLUMNS], rows({name: found[side] for name, side in COLUMNS.items()}))


def reads_now() -> str:
    """Return the table of a federation that is started for it."""
    with running(DECLARATION) as federation, tempfile.TemporaryDirectory() as name:
        return reads(federation, Path(name))
