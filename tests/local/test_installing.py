"""Flowerbed installs beside what Flower's users have, and works with each click that Flower allows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowerbed.images.processes import uv
from support.paths import ROOT

# Arguments of verbs in both kinds of groups, and words of their help.
HELP = {
    ("logs",): "The run's id",
    ("submit",): "App folder",
    ("connection",): "A declared user",
    ("rotate", "key"): "All nodes of a tenant",
    ("runs", "compare"): "The run's id",
}


def compiled(requirements: str) -> subprocess.CompletedProcess[str]:
    """Resolve Flowerbed together with other requirements; nothing is installed."""
    command = [
        uv(),
        "pip",
        "compile",
        "--quiet",
        "--no-header",
        "--python-version",
        "3.11",
        "pyproject.toml",
        "-",
    ]
    return subprocess.run(
        command, input=requirements, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


def test_it_resolves_with_flowers_own_packages() -> None:
    """Pip finds versions of Flowerbed and flwr-datasets that agree; what cannot agree is really seen."""
    done = compiled("flwr-datasets\n")
    assert done.returncode == 0, done.stderr
    assert "flwr-datasets==" in done.stdout
    assert compiled("flwr-datasets\nclick<8\n").returncode == 1


@pytest.mark.parametrize("click", ["click==8.1.*", "click==8.3.*", "click<9"])
def test_arguments_have_their_help_with_each_click(click: str, tmp_path: Path) -> None:
    """With the oldest, the last before arguments had help of their own, and the newest."""
    install = [uv(), "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path), click]
    subprocess.run(install, capture_output=True, text=True, timeout=300, check=True)
    for verb, words in HELP.items():
        done = subprocess.run(
            [sys.executable, "-m", "flowerbed", *verb, "--help"],
            env={**os.environ, "PYTHONPATH": str(tmp_path), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert words in done.stdout, verb
