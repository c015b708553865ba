"""The apps that `flowerbed new` writes, and the names that it refuses."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from flowerbed.cli import main
from flowerbed.errors import UsageError
from flowerbed.flower import app_helper
from flowerbed.flower.app.app import load
from flowerbed.starters.writing import Kind, write_app
from support.paths import ROOT

KINDS = get_args(Kind)
REQUIRED = {"numpy": "numpy", "sklearn": "scikit-learn", "torch": "torch"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_app_passes_the_checks_of_submit(tmp_path: Path, kind: Kind) -> None:
    """All its files are sent, it requires its library, and no check warns, but of a library missing here."""
    files = write_app(tmp_path / "my-app", kind)
    assert files == tuple(
        sorted(str(file.relative_to(tmp_path / "my-app")) for file in (tmp_path / "my-app").rglob("*.*"))
    )
    app = load(tmp_path / "my-app")
    assert set(app.files) == set(files) - {"README.md"}
    assert all(f"needs {REQUIRED[kind]}" in warning for warning in app.warnings)
    # Each value of the run config is read by the code, and the code reads no other.
    assert set(app.reads) == set(app.defaults)
    project = tomllib.loads((tmp_path / "my-app" / "pyproject.toml").read_text())["project"]
    assert any(one.startswith(REQUIRED[kind]) for one in project["dependencies"])
    assert {file.name for file in tmp_path.iterdir()} == {"my-app"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_app_is_formatted(tmp_path: Path, kind: Kind) -> None:
    """Ruff finds nothing in what is written, by the repository's own rules for examples."""
    write_app(tmp_path / "my-app", kind)
    for words in (("format", "--check", "--line-length=110"), ("check", "--line-length=110", "--isolated")):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--no-cache", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_helper_is_the_one_of_flowerbed_helper(tmp_path: Path) -> None:
    write_app(tmp_path / "my-app", "numpy")
    written = (tmp_path / "my-app" / "my_app" / "flowerbed_helper.py").read_text()
    assert written == Path(app_helper.__file__).read_text()


def test_the_library_is_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--sklearn` and `--torch` choose the library, and cannot be combined."""
    monkeypatch.chdir(tmp_path)
    for name, library, *options in (
        ("plain", "numpy"),
        ("a", "sklearn", "--sklearn"),
        ("b", "torch", "--torch"),
    ):
        assert main.run(["new", name, *options]) == 0
        said = capsys.readouterr()
        assert f"{name}/{name}/task.py\n" in said.out
        assert f"flowerbed submit {name} --local" in said.err
        assert f"import {library}" in (tmp_path / name / name / "task.py").read_text() or library == "sklearn"
    assert "from sklearn" in (tmp_path / "a" / "a" / "task.py").read_text()
    assert main.run(["new", "c", "--sklearn", "--torch"]) == 2
    assert "--sklearn and --torch exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "says", "remedy"),
    [
        ("my_app", "'my_app' is not a name for an app", "for example: my-app"),
        ("My app!", "'My app!' is not a name for an app", "for example: My-app"),
        ("2nd-app", "'2nd-app' is not a name for an app", "for example: nd-app"),
        ("größe", "'größe' is not a name for an app", "for example: gr-e"),
        ("a" * 33, "is not a name for an app", "for example: " + "a" * 32),
        ("123", "'123' is not a name for an app", "choose another name"),
        ("random", "'random' is the name of a Python module", "such as random-app"),
        ("flwr", "'flwr' is the name of a Python module", "such as flwr-app"),
        ("class", "'class' is the name of a Python module or keyword", "such as class-app"),
        ("there", "it exists already", "choose another name"),
        ("missing/app", "there is no such directory", "create it first"),
    ],
)
def test_a_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str, remedy: str
) -> None:
    """The error says why, and proposes a name that is accepted; nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError) as caught:
        write_app(Path(name), "numpy")
    assert says in str(caught.value)
    assert remedy in str(caught.value)
    assert caught.value.exit_code == 2
    assert [file.name for file in tmp_path.rglob("*")] == ["there"]
    if remedy.startswith("for example: "):
        assert write_app(Path(remedy.removeprefix("for example: ")), "numpy")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """A parent that is a file is an error of usage, and no traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="there is no such directory"):
        write_app(tmp_path / "file" / "app", "numpy")


def test_the_wheel_has_the_templates(tmp_path: Path) -> None:
    """A built wheel brings each module that is copied into an app."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    done = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", str(wheel)], capture_output=True, text=True, check=True
    )
    for name in ("app/client_app.py", "app/server_app.py", *(f"{kind}/task.py" for kind in KINDS)):
        assert f"flowerbed/starters/{name}" in done.stdout
