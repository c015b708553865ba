"""Tiny Flower apps for the tests of submitting: a folder that is right, to be made wrong in one place."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flowerbed.errors import UsageError
from flowerbed.flower.app.app import load

HERE = f"Python {sys.version_info.major}.{sys.version_info.minor}"  # as messages name it
PYPROJECT = """\
[project]
name = "tiny"
version = "1.0.0"
description = "An app that counts"
license = "Apache-2.0"
dependencies = ["flwr>=1.41"]

[tool.flwr.app]
publisher = "flowerbed"

[tool.flwr.app.components]
serverapp = "tiny.server:app"
clientapp = "tiny.client:app"

[tool.flwr.app.config]
ticks = 4
pause = 0.25
ending = "well"
"""
SERVER = """\
import time

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    for number in range(int(config["ticks"])):
        print(f"tick {number}")
        time.sleep(float(config["pause"]))
    if config["ending"] != "well":
        raise RuntimeError(config["ending"])
"""
CLIENT = """\
from flwr.clientapp import ClientApp

app = ClientApp()
"""


def write_app(folder: Path, files: dict[str, str] | None = None) -> Path:
    """Write the tiny app, with `files` (path to text) over and beside its own, and return its folder."""
    contents = {
        "pyproject.toml": PYPROJECT,
        "tiny/__init__.py": "",
        "tiny/server.py": SERVER,
        "tiny/client.py": CLIENT,
        **(files or {}),
    }
    for name, text in contents.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def pyproject(old: str, new: str) -> dict[str, str]:
    """Return the tiny app's pyproject.toml with one piece of its text replaced."""
    assert old in PYPROJECT
    return {"pyproject.toml": PYPROJECT.replace(old, new)}


def client(line: str) -> dict[str, str]:
    """Return the module of the ClientApp with a line above it."""
    return {"tiny/client.py": f"{line}\n{CLIENT}"}


def refusals(folder: Path) -> list[str]:
    """Return the lines of the message by which an app is refused, without its place."""
    with pytest.raises(UsageError) as refused:
        load(folder)
    return [line.removeprefix(f"{folder}: ") for line in refused.value.what.splitlines()]
