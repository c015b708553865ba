"""`flowerbed submit` knows what the declared federation's images bring, from their locks."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowerbed.cli.flags import LocalFlags, WhereFlags
from flowerbed.cli.libraries import libraries_of
from flowerbed.flower.app.app import load_for_run
from flowerbed.flower.app.requirements import Libraries
from flowerbed.images.images_lock import lock_file
from support.apps import pyproject, write_app

FEDERATION = """\
version: 1
name: hospitals
flower: "1.41"
tenants: [{name: north, nodes: 1}]
images: {all: {repository: registry.example.org/team/flower, dependencies: [torch]}}
"""


@pytest.fixture
def declaration(tmp_path: Path) -> Path:
    file = tmp_path / "federation.yaml"
    file.write_text(FEDERATION)
    for component in ("superexec", "supernode"):
        lock = lock_file(file, component)
        lock.parent.mkdir(exist_ok=True)
        lock.write_text(
            "# made by a test\nflwr==1.41.0 \\\n    --hash=sha256:00\ntorch==2.9.0 \\\n    --hash=sha256:00\n"
        )
    return file


def warned(folder: Path, libraries: Libraries | None) -> str:
    app = write_app(folder, pyproject('["flwr>=1.41"]', '["flwr>=1.41", "torch", "scikit-learn"]'))
    return " ".join(load_for_run(app, None, (), libraries)[0].warnings)


def test_only_what_the_images_lack_is_told(declaration: Path, tmp_path: Path) -> None:
    """What the locks have is there; without images both would be missing."""
    libraries = libraries_of(WhereFlags(file=declaration), LocalFlags())
    assert "the app needs scikit-learn, which the declared images do not have" in warned(
        tmp_path / "app", libraries
    )
    assert "the app needs scikit-learn, torch, which a plain Flower image" in warned(tmp_path / "app", None)


@pytest.mark.parametrize(
    "where", [WhereFlags(connection=Path("c.toml")), WhereFlags(address="example.org:443")]
)
def test_another_federation_has_other_images(where: WhereFlags) -> None:
    """With a connection of one's own nothing is known, unless the declaration is named beside it."""
    assert libraries_of(where, LocalFlags()) is None


def test_a_wrong_or_missing_declaration_is_no_reason_not_to_submit(tmp_path: Path) -> None:
    """It is advice only."""
    (tmp_path / "wrong.yaml").write_text("version: 7\n")
    for name in ("wrong.yaml", "missing.yaml"):
        assert libraries_of(WhereFlags(file=tmp_path / name), LocalFlags()) is None


def test_versions_of_the_images_are_compared(declaration: Path, tmp_path: Path) -> None:
    """A requirement that the locked version does not meet is told with both; one that it meets is not."""
    libraries = libraries_of(WhereFlags(file=declaration, connection=Path("c.toml")), LocalFlags())
    for wanted, told in (("torch==1.5.*", True), ("torch>=2", False)):
        app = write_app(tmp_path / str(told), pyproject('["flwr>=1.41"]', f'["flwr>=1.41", "{wanted}"]'))
        expected = (
            "the app asks for torch==1.5.*, but the declared images have torch 2.9.0: nothing is installed"
        )
        warnings = load_for_run(app, None, (), libraries)[0].warnings
        assert [warning.startswith(expected) for warning in warnings] == [True] * told


def test_a_federation_on_this_machine_runs_with_this_python(tmp_path: Path) -> None:
    """What is installed here is there; what is not, or in another version, is told, Python too."""
    file = tmp_path / "federation.yaml"
    file.write_text(FEDERATION.partition("images:")[0])
    for where, machine in ((WhereFlags(file=file), LocalFlags()), (WhereFlags(), LocalFlags(local=True))):
        libraries = libraries_of(where, machine)
        found = app_warnings(tmp_path / "a", '"pytest>=1", "pytest-nowhere", "ruff==0.0.1"', libraries)
        assert found[0].startswith("the app needs pytest-nowhere, which this Python does not have")
        assert found[1].startswith("the app asks for ruff==0.0.1, but this Python has ruff ")
        assert found[2].startswith("the app asks for Python >=4, but this Python has 3.")
        assert len(found) == 3


def app_warnings(folder: Path, wanted: str, libraries: Libraries | None) -> tuple[str, ...]:
    files = pyproject('dependencies = ["flwr>=1.41"]', f'requires-python = ">=4"\ndependencies = [{wanted}]')
    return load_for_run(write_app(folder, files), None, (), libraries)[0].warnings
