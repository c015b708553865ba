"""Programs started by name: the package around launch.py, or the one in a mounted ConfigMap, and no other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import ROOT

LAUNCH = ROOT / "generator/flowerbed/flower/launch.py"
FILES = ROOT / "charts/supernode/files"
# A program, and what it says that needs the package: nobody answers.
REACH = ("reach_fleet", "--superlink", "127.0.0.1:1", "--insecure")


def mounted(folder: Path) -> Path:
    """Lay the chart's files out as a ConfigMap is mounted: keys hold no `/`."""
    folder.mkdir()
    for file in FILES.rglob("*.py"):
        shutil.copyfile(file, folder / str(file.relative_to(FILES)).replace("/", "--"))
    return folder / "launch.py"


@pytest.mark.parametrize("place", ["around", "mounted"])
def test_a_program_is_started_by_its_name(tmp_path: Path, place: str) -> None:
    """Another package of that name, and modules with names of Python's own, do not get in the way."""
    launch = LAUNCH if place == "around" else mounted(tmp_path / "files")
    other = tmp_path / "other/flowerbed"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("raise SystemExit('the wrong package')")
    done = subprocess.run(
        [sys.executable, str(launch), *REACH],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(other.parent)},
    )
    assert (done.returncode, done.stdout) == (1, "127.0.0.1:1: Connection refused\n"), done.stderr


def test_nothing_else_is_found_beside_it(tmp_path: Path) -> None:
    """Of what lies where the package does, only the package is imported."""
    launch = mounted(tmp_path / "files")
    (launch.parent / "httpx.py").write_text("raise SystemExit('taken from the mounted files')")
    (launch.parent / "flowerbed--flower--programs--own.py").write_text("import httpx; print(httpx.__name__)")
    done = subprocess.run(
        [sys.executable, str(launch), "own"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "httpx\n", done.stderr


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    """Python says which one."""
    command = [sys.executable, str(mounted(tmp_path / "files")), "none"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.endswith("No module named flowerbed.flower.programs.none\n")
