"""What an app's directory holds that should not be in the FAB, and the rules by which it is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowerbed.errors import UsageError
from flowerbed.flower.app.app import load
from flowerbed.flower.app.packing_rules import BUILT_IN
from support.apps import PYPROJECT, write_app


def test_an_environment_in_the_app_is_told(tmp_path: Path) -> None:
    """pyvenv.cfg or site-packages is the proof; caches and megabytes of data likewise, with what to write."""
    write_app(
        tmp_path,
        {
            "flenv/pyvenv.cfg": "home = /usr\n",
            "flenv/lib/python3.11/site-packages/x/__init__.py": "",
            "deep/other/Lib/site-packages/y.py": "",
            "tiny/.ipynb_checkpoints/server-checkpoint.py": "",
            "tiny/data/train.json": "0" * 1024 * 1024,
            "tiny/labels.json": "{}",
            "large.json": "0" * 1024 * 1024,
        },
    )
    assert [warning.partition(";")[0] for warning in load(tmp_path).warnings] == [
        "deep/other/ is a Python environment (deep/other/Lib/site-packages)",
        "flenv/ is a Python environment (flenv/pyvenv.cfg)",
        "large.json holds data",
        "tiny/.ipynb_checkpoints/ is a cache",
        "tiny/data/ holds data",
    ]
    advice = 'add "flenv/**" to fab-exclude in [tool.flwr.app], or flenv/ to .gitignore'
    assert load(tmp_path).warnings[1].endswith(advice)
    (tmp_path / ".gitignore").write_text("flenv/\ndeep/\nlarge.json\n.ipynb_checkpoints\ntiny/data/\n")
    assert load(tmp_path).warnings == ()


def test_an_environment_that_flower_cannot_pack_is_named(tmp_path: Path) -> None:
    """Its depth or its size ends the packing: the message says what it is."""
    deep = "flenv/lib/python3.11/site-packages/a/b/c/d/e/f/g/h.py"
    write_app(tmp_path, {"flenv/pyvenv.cfg": "", deep: ""})
    with pytest.raises(UsageError, match=r"flenv/ is a Python environment: add .flenv/\*\*. to fab-exclude"):
        load(tmp_path)
    (tmp_path / ".gitignore").write_text("flenv/\n")
    assert load(tmp_path).warnings == ()


def test_the_rules_are_flowers() -> None:
    """A copy, since importing Flower's constants takes a second."""
    from flwr.common.constant import FAB_EXCLUDE_PATTERNS

    assert BUILT_IN == FAB_EXCLUDE_PATTERNS
    assert "[tool.flwr.app]" in PYPROJECT


def test_an_unreadable_gitignore_is_told(tmp_path: Path) -> None:
    """Flower passes over it, and packs what it names."""
    write_app(tmp_path, {"tiny/big.py": ""})
    for encoding, says in (("utf-16", "is not UTF-8"), ("utf-8-sig", "its first line has no effect")):
        (tmp_path / ".gitignore").write_text("tiny/big.py\n", encoding=encoding)
        app = load(tmp_path)
        assert says in app.warnings[0]
        assert "tiny/big.py" in app.files
    (tmp_path / ".gitignore").write_text("tiny/big.py\n")
    assert (load(tmp_path).warnings, "tiny/big.py" in load(tmp_path).files) == ((), False)
