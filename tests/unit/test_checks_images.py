"""`flowerbed submit` knows what the declared federation's images bring, from their locks."""

from __future__ import annotations

from pathlib import Path

import pytest
from submit_apps import pyproject, write_app

from flowerbed.cli.submit import libraries_of
from flowerbed.images.record import lock_file
from flowerbed.scripts.flower_app import load_for_run

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


def warned(folder: Path, libraries: frozenset[str] | None) -> str:
    app = write_app(folder, pyproject('["flwr>=1.41"]', '["flwr>=1.41", "torch", "scikit-learn"]'))
    return " ".join(load_for_run(app, None, (), libraries)[0].warnings)


def test_only_what_the_images_lack_is_told(declaration: Path, tmp_path: Path) -> None:
    """What the locks have is there; without images both would be missing."""
    libraries = libraries_of({"file": declaration, "connection": None, "address": None})
    assert "the app needs scikit-learn, which the declared images do not have" in warned(
        tmp_path / "app", libraries
    )
    assert "the app needs scikit-learn, torch, which a plain Flower image" in warned(tmp_path / "app", None)


@pytest.mark.parametrize("given", [{"connection": Path("c.toml")}, {"address": "example.org:443"}])
def test_another_federation_has_other_images(given: dict[str, object], tmp_path: Path) -> None:
    """With a connection of one's own nothing is known, unless the declaration is named beside it."""
    assert libraries_of({"file": None, "connection": None, "address": None, **given}) is None


def test_a_wrong_or_missing_declaration_is_no_reason_not_to_submit(tmp_path: Path) -> None:
    """It is advice only."""
    (tmp_path / "wrong.yaml").write_text("version: 7\n")
    for name in ("wrong.yaml", "missing.yaml"):
        assert libraries_of({"file": tmp_path / name, "connection": None, "address": None}) is None
