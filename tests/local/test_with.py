"""`submit --local --with`: an app's packages, in an environment of their own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from support.apps import PYPROJECT, SERVER, write_app
from support.local_federation import LIMIT, run

PACKAGE = "toolz"  # pure Python, without dependencies, and not among Flower's


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """Return an app whose ServerApp needs the package, and says its version."""
    pyproject = PYPROJECT.replace('"flwr>=1.41"', f'"flwr>=1.41", "{PACKAGE}"')
    server = (
        SERVER.replace("import time", f"import time\nimport {PACKAGE}")
        + f"    print({PACKAGE}.__version__)\n"
    )
    return write_app(tmp_path / "app", {"pyproject.toml": pyproject, "tiny/server.py": server})


def test_the_app_has_what_its_file_asks_for(app: Path, tmp_path: Path) -> None:
    """In the version of the file, and this Python, which has no such package, stays as it is."""
    file = tmp_path / "requirements.txt"
    file.write_text(f"{PACKAGE}==1.0.0\n")
    records = ("--records", tmp_path / "runs")
    # Flower and all that it needs may have to be loaded first.
    done = run("submit", app, "--local", "--nodes", 1, "--json", "--with", file, *records, limit=3 * LIMIT)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("locking 2 packages") == 1
    assert json.loads(done.stdout.splitlines()[-1])["status"] == "completed"
    assert "\n1.0.0\n" in done.stderr
    assert PACKAGE not in sys.modules
    # The control: without it the same app is told what it lacks, and fails.
    done = run("submit", app, "--local", "--nodes", 1, "--json", *records)
    assert done.returncode == 1
    assert f"No module named '{PACKAGE}'" in json.loads(done.stdout.splitlines()[-1])["reason"]
    assert f"the app needs {PACKAGE}, which this Python does not have" in done.stderr
    assert "`--with PACKAGE` brings it for this run" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--with", PACKAGE), "--with is for --local"),
        (("--local", "--with", "a.txt", "--with", "b.txt"), "2 files of requirements"),
        (("--local", "--with", "nothing.txt"), "there is no such file"),
    ],
)
def test_what_makes_no_sense_is_refused(app: Path, arguments: tuple[str, ...], text: str) -> None:
    """Before anything is started."""
    done = run("submit", app, *arguments)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr
