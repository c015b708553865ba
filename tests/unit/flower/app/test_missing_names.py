"""Libraries that an app imports and that are missing where it runs."""

from __future__ import annotations

from pathlib import Path

from flowerbed.flower.app.app import load
from flowerbed.flower.app.requirements import declared_images, this_python
from support.apps import client, pyproject, write_app


def test_a_module_that_is_not_there_is_told(tmp_path: Path) -> None:
    """An undeclared library: by this Python for a run on it, else by what a plain image has."""
    write_app(tmp_path, client("import os, numpy, httpx, pytest, nowhere.at\ndef f():\n    import other"))
    says = "tiny/client.py:1 imports {}, which {} does not have"
    assert load(tmp_path).warnings == tuple(
        says.format(name, "a plain Flower image") for name in ("pytest", "nowhere")
    )
    assert load(tmp_path, this_python()).warnings == (says.format("nowhere", "this Python"),)
    assert load(tmp_path, declared_images({})).warnings == ()
    # A declared library that is missing is told as such, and may bring it.
    write_app(
        tmp_path,
        pyproject('["flwr>=1.41"]', '["flwr>=1.41", "nowhere-tools"]') | client("import nowhere"),
    )
    assert len(load(tmp_path).warnings) == 1
