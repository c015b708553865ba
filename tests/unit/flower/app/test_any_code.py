"""Code of any shape is read: quickly, and without a traceback."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowerbed.errors import UsageError
from flowerbed.flower.app.app import load
from flowerbed.flower.app.imports import Files, closure
from flowerbed.flower.app.reads import files_named, keys_read, renamed
from flowerbed.flower.app.requirements import declared_images
from support.apps import client, write_app

PIECES = st.sampled_from(
    [
        "import ",
        "from ",
        "tiny",
        ".",
        "..",
        " as ",
        "x",
        ", ",
        "\n",
        "if ",
        "(",
        ")",
        ":",
        "try:\n ",
        "except ",
        "run_config",
        '["k"]',
        ".get(",
        "pass",
        "not ",
        "with ",
        "suppress()",
        "lambda: ",
        "'a.csv'",
    ]
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(PIECES, max_size=20).map("".join) | st.text(max_size=60))
def test_any_code_is_answered(code: str) -> None:
    """Whatever a module holds: followed, or told, never a traceback."""
    sources = {"tiny/__init__.py": b"", "tiny/client.py": code.encode(errors="replace")}
    files = Files(
        packed={name: len(source) for name, source in sources.items()},
        here=frozenset({*sources, "tiny/a.csv"}),
        read=lambda name, limit: sources.get(name),
        reason=lambda _: "a rule",
    )
    found = closure(files, ["tiny.client"], lambda name: False)
    keys_read(found.modules)
    list(files_named(found.modules, files))
    list(renamed(found.modules))


@pytest.mark.parametrize(
    "code",
    [
        "if " + "not " * 80 + "x:\n    pass\n",
        "x = " + "+".join("y" * 3000) + "\n",
        "if " + " and ".join(f"x{number}" for number in range(2000)) + ": pass\n",
        "".join(f"{' ' * depth}if x:\n" for depth in range(90)) + " " * 90 + "pass\n",
        "x = " + ".a" * 5000 + "\n",
        "from flwr import " + ", ".join(f"n{number}" for number in range(5000)) + "\n",
        "from tiny import " + ", ".join(f"n{number}" for number in range(9000)) + "\n",
        "\n".join(f"import m{number}" for number in range(6000)),
    ],
)
def test_code_of_any_shape_is_read_quickly(tmp_path: Path, code: str) -> None:
    """Deep and wide code takes neither the stack nor minutes."""
    write_app(
        tmp_path,
        {"tiny/__init__.py": "a = 1\n" * 5000, "tiny/odd.py": code, **client("import tiny.odd")},
    )
    before = time.process_time()
    with contextlib.suppress(UsageError):
        load(tmp_path, declared_images({}))
    assert time.process_time() - before < 20
