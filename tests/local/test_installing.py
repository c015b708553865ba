"""Flowerbed installs beside what Flower's users have, and works with each click that Flower allows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowerbed.flower.app.requirements import FEDERATION
from flowerbed.images.processes import uv
from support.paths import ROOT

# Arguments of verbs in both kinds of groups, and words of their help.
HELP = {
    ("logs",): "The run's id",
    ("submit",): "App directory",
    ("connection",): "Declared user",
    ("rotate", "key"): "All nodes of a tenant",
    ("runs", "compare"): "The run's id",
}


# What is common beside Flower: data sets, tracking, a framework.
BESIDE = "flwr-datasets\nmlflow\ntorch\n"


def compiled(requirements: str, *projects: str) -> subprocess.CompletedProcess[str]:
    """Resolve requirements, together with those of projects; nothing is installed."""
    options = ("--quiet", "--no-header", "--no-annotate", "--python-version", "3.11")
    return subprocess.run(
        [uv(), "pip", "compile", *options, *projects, "-"],
        input=requirements,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def resolved(requirements: str, *projects: str) -> dict[str, str]:
    """Return the version of each package."""
    done = compiled(requirements, *projects)
    assert done.returncode == 0, done.stderr
    return dict(line.split("==") for line in done.stdout.splitlines() if "==" in line)


def test_it_holds_no_package_back() -> None:
    """Beside Flowerbed each package has the version that it has beside Flower alone, the newest that fits."""
    flower = resolved(f"flwr{FEDERATION}\n{BESIDE}")
    assert {"flwr-datasets", "mlflow", "torch", "click"} <= flower.keys()
    both = resolved(BESIDE, "pyproject.toml")
    assert {name: both.get(name) for name in flower} == flower


def test_what_cannot_agree_is_seen() -> None:
    """The control: a click that Flower itself does not take."""
    assert compiled("flwr-datasets\nclick<8\n", "pyproject.toml").returncode == 1


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
