"""Declared images that are not built, or not from what is declared now, are told before they run."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from typer.main import get_command

from flowerbed.cli.main import app
from flowerbed.declaration import load_plan
from flowerbed.images.content_hash import stale_images, target_of
from flowerbed.images.images_lock import ImageEntry, ImagesLock, lock_file, write_images_lock
from flowerbed.images.inputs import inputs_of
from flowerbed.images.locking import kept_lock

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
BASE = f"docker.io/flwr/superexec@{DIGEST}"
TEXT = """\
version: 1
name: hospitals
tenants: [{name: north, nodes: 1}]
images: {superexec: {repository: registry.example.org/team/flower, dependencies: [toolz]}}
"""


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Return a declaration whose image stands in the record as pushed."""
    file = tmp_path / "federation.yaml"
    file.write_text(TEXT)
    plan = load_plan(file)
    inputs = inputs_of(plan, "superexec", tmp_path)
    lock = lock_file(file, "superexec")
    lock.parent.mkdir()
    lock.write_text(
        f"# Locked by `flowerbed build` from inputs {inputs.digest}. Commit it.\n"
        "flwr==1.41.0 \\\n    --hash=sha256:00\ntoolz==1.0 \\\n    --hash=sha256:00\n"
    )
    locked = kept_lock(inputs, file)
    assert locked is not None
    target = target_of(plan, inputs, locked, BASE)
    base = f"{inputs.image.base} {BASE}"
    entry = ImageEntry(target.content, locked.digest, "1.41.0", base, f"{target.name}@{DIGEST}")
    write_images_lock(file, ImagesLock(version=1, federation="hospitals", images={"superexec": entry}))
    return file


def told(file: Path) -> list[str]:
    return stale_images(load_plan(file), file)


def test_what_is_built_from_the_declaration_is_not_spoken_of(built: Path) -> None:
    """Record, lock and declaration fit together; nor is there anything to tell without images."""
    assert told(built) == []
    built.write_text(TEXT.partition("images:")[0])
    assert told(built) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[toolz]", "[toolz, tqdm]"),
        ("[toolz]", "[toolz], instructions: {after: [RUN true]}"),
        ("[toolz]", "[toolz], base: registry.example.org/base"),
        ("[toolz]", '[toolz], python: "3.12"'),
    ],
)
def test_a_changed_declaration(built: Path, old: str, new: str) -> None:
    """Packages, instructions, base and Python each make the built image an old one."""
    built.write_text(TEXT.replace(old, new))
    (sentence,) = told(built)
    assert "has changed since it was built; `flowerbed build superexec --push` makes it anew" in sentence


def test_a_lock_that_is_missing_or_another(built: Path) -> None:
    """Without its lock nobody knows what is in the image."""
    lock = lock_file(built, "superexec")
    lock.write_text(lock.read_text() + "more==1 \\\n    --hash=sha256:00\n")
    assert "has changed" in told(built)[0]
    lock.unlink()
    assert "has changed" in told(built)[0]


def test_files_that_cannot_be_read(built: Path) -> None:
    """A missing requirements file is told with its place."""
    built.write_text(TEXT.replace("[toolz]", "[toolz], requirements: none.txt"))
    assert "none.txt: cannot be read" in told(built)[0]


@pytest.mark.parametrize("verb", [("check",), ("check", "--json"), ("generate",)])
def test_verbs_warn_on_stderr(built: Path, verb: tuple[str, ...]) -> None:
    """`check` and `generate` go on, and tell that Flower's own image would run."""
    (built.parent / "images.lock.yaml").unlink()
    done = CliRunner().invoke(get_command(app), [*verb, "--file", str(built)])
    assert done.exit_code == 0
    warning = "warning: image of the superexec: declared, but not pushed yet: Flower's own runs in its place"
    assert warning in done.stderr
    assert "warning" not in done.stdout
