"""What an app imports from Flower and this line does not have: a warning with its place now, and `--fix`."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from flowerbed.flower.app.app import load, load_for_run
from flowerbed.flower.app.fix import from_new_homes
from flowerbed.flower.app.requirements import this_python
from support.apps import client, write_app

THERE = "; UserConfig is in flwr.app (--fix takes it from there)"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("from flwr.server import NoSuchThing, ServerApp", "NoSuchThing from flwr.server, which Flower 1.41"),
        (
            "from flwr.common.typing import UserConfig",
            "UserConfig from flwr.common.typing, which Flower 1.41 does not have there",
        ),
        ("from flwr.client.typing import Mod", "flwr.client.typing, which Flower 1.41 does not have"),
        ("from flwr.nowhere import x", "flwr.nowhere, which Flower 1.41"),
        ("import flwr.nowhere", "flwr.nowhere, which Flower 1.41"),
        ("from flwr import nowhere", "nowhere from flwr, which Flower 1.41"),
        ("from flwr.common import RecordDict, Context, log", ""),
        ("from flwr.serverapp.strategy import FedAvg", ""),
        ("from flwr.common.logger import log", ""),
        ("import flwr as fl, flwr.simulation", ""),
        ("from flwr import common, simulation", ""),
    ],
)
def test_what_flower_no_longer_has_is_told(tmp_path: Path, line: str, told: str) -> None:
    """By reading Flower's own source, as Flower's builder packs it; nothing where the app does without it."""
    write_app(tmp_path, client(line))
    found = load(tmp_path, this_python()).warnings
    assert [told in warning and "so that the run fails" in warning for warning in found] == [True] * bool(
        told
    )
    if not told:
        return
    write_app(tmp_path, client(f"def f():\n    {line}"))
    [later] = load(tmp_path).warnings
    assert told in later
    assert "so that the run fails" not in later
    for other in ("pass", f"from flwr.app import x\n    {line}"):
        write_app(tmp_path, client(f"try:\n    {line}\nexcept ImportError:\n    {other}"))
        assert load(tmp_path).warnings == ()


def test_the_place_now_is_named_and_is_right(tmp_path: Path) -> None:
    """The module that is named gives the name."""
    write_app(tmp_path, client("from flwr.common.typing import UserConfig"))
    [warning] = load(tmp_path).warnings
    assert warning.endswith(THERE)
    assert hasattr(importlib.import_module("flwr.app"), "UserConfig")
    write_app(tmp_path, client("from flwr.client.typing import ClientAppCallable, Mod"))
    [warning] = load(tmp_path).warnings
    places = warning.partition("; ")[2].partition(" (--fix takes them from there)")[0].split("; ")
    assert [place.split(" is in ")[0] for place in places] == ["ClientAppCallable", "Mod"]
    for place in places:
        name, _, module = place.partition(" is in ")
        assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from flwr.common.typing import UserConfig\n", "from flwr.app import UserConfig\n"),
        ("from flwr.common.typing import UserConfig  # of 1.17\n", "from flwr.app import UserConfig\n"),
        (
            "def f():\n    from flwr.common.typing import UserConfig as U\n",
            "def f():\n    from flwr.app import UserConfig as U\n",
        ),
        (
            "from flwr.common.typing import (\r\n    NDArrays,\r\n    UserConfig,\r\n)\r\nx = 1\r\n",
            "from flwr.common.typing import NDArrays\r\nfrom flwr.app import UserConfig\r\nx = 1\r\n",
        ),
    ],
)
def test_an_import_is_written_anew(before: str, after: str) -> None:
    """What is still where it was stays; so do indent, other name and the ends of lines."""
    assert from_new_homes(before.encode()) == after.encode()
    assert from_new_homes(after.encode()) == after.encode()


@pytest.mark.parametrize(
    "source",
    [
        b"from flwr.common.typing import UserConfig; x = 1\n",
        b"if True: from flwr.common.typing import UserConfig\n",
        b"from flwr.nowhere import x\n",
        b"from flwr.common import Context\n",
        b"from .flwr.common.typing import UserConfig\n",
        b"from flwr.common.typing import *\n",
        b"from flwr.common.typing import UserConfig\nreturn 1\n",
        b"import flwr.common.typing\n# \xe9\n",
    ],
)
def test_what_is_not_sure_stays(source: bytes) -> None:
    """Byte for byte: a line that is shared, a name that is nowhere, what does not compile."""
    assert from_new_homes(source) == source


def test_fix_shows_and_packs_the_new_import(tmp_path: Path) -> None:
    """In a copy: the user's module stays as it is."""
    app = write_app(tmp_path, client("from flwr.common.typing import UserConfig"))
    before = (app / "tiny/client.py").read_bytes()
    said: list[str] = []
    fixed, _ = load_for_run(app, None, (), None, said.append)
    assert fixed.warnings == ()
    assert "--- tiny/client.py\n+++ tiny/client.py (corrected)\n@@ -1 +1 @@" in "".join(said)
    assert "+from flwr.app import UserConfig" in "".join(said)
    assert (app / "tiny/client.py").read_bytes() == before
    assert fixed.hash != load(app).hash
