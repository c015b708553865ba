"""What an app imports of its own gets into the FAB, or is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowerbed.errors import UsageError
from flowerbed.flower.app.app import load
from support.apps import CLIENT, HERE, SERVER, client, pyproject, refusals, write_app

EXCLUDED = pyproject("[tool.flwr.app]\n", '[tool.flwr.app]\nfab-exclude = ["tiny/net.py"]\n')
INCLUDED = pyproject(
    "[tool.flwr.app]\n",
    '[tool.flwr.app]\nfab-include = ["tiny/__init__.py", "tiny/server.py", "tiny/client.py"]\n',
)


@pytest.mark.parametrize(
    ("files", "line", "left", "reason"),
    [
        (
            {".gitignore": "# data\nmodels\n", "tiny/models/__init__.py": "", "tiny/models/net.py": ""},
            "from tiny.models import net",
            "tiny.models, but tiny/models/__init__.py",
            "line 2 of .gitignore has 'models'; take it out, or add '!/tiny/models/__init__.py'",
        ),
        ({"tiny/net.py": "", **EXCLUDED}, "from tiny import net", "tiny.net, but tiny/net.py", "fab-exclude"),
        ({"tiny/net.py": "", **INCLUDED}, "from . import net", "tiny.net, but tiny/net.py", "fab-include"),
        (
            {"tiny/test_utils.py": "x = 1\n"},
            "from .test_utils import x",
            "tiny.test_utils, but tiny/test_utils.py",
            "Flower leaves out '**/test_*.py'; rename or move it",
        ),
        (
            {"lib/helper.py": ""},
            "import lib.helper as helper",
            "lib.helper, but lib/helper.py",
            "Flower leaves out 'lib/**'",
        ),
        (
            {"lib/helper.py": ""},
            "from lib import helper",
            "lib.helper, but lib/helper.py",
            "leaves out 'lib/**'",
        ),
        (
            {"tiny/fast.cpython-311-x86_64-linux-gnu.so": ""},
            "import tiny.fast",
            "tiny.fast, but tiny/fast.cpython-311-x86_64-linux-gnu.so",
            "Flower packs no such files",
        ),
    ],
)
def test_a_module_that_is_left_out_is_refused(
    tmp_path: Path, files: dict[str, str], line: str, left: str, reason: str
) -> None:
    """The importing line, the file and the rule are named. Where it is imported perhaps, it is a warning."""
    write_app(tmp_path, {**files, **client(line)})
    found = refusals(tmp_path)
    assert len(found) == 1
    assert found[0].startswith(f"tiny/client.py:1: imports {left} does not get into the FAB: ")
    assert reason in found[0]
    write_app(tmp_path, files | client(f"try:\n    {line}\nexcept ImportError:\n    pass"))
    assert any(left in warning for warning in load(tmp_path).warnings)
    write_app(tmp_path, files | client(f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {line}"))
    assert load(tmp_path).warnings == ()
    write_app(tmp_path, files | client(f"def later() -> None:\n    {line}"))
    assert any("tiny/client.py:2" in warning for warning in load(tmp_path).warnings)


def test_a_link_to_a_package_is_left_out(tmp_path: Path) -> None:
    """Flower follows no symbolic links."""
    write_app(tmp_path / "app", client("from tiny.shared import net"))
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "net.py").touch()
    (tmp_path / "app/tiny/shared").symlink_to(tmp_path / "shared")
    assert (
        "tiny.shared, but tiny/shared does not get into the FAB: it is a symbolic link"
        in refusals(tmp_path / "app")[0]
    )


def test_imports_are_followed_through_modules(tmp_path: Path) -> None:
    """The line that fails is named, however far from the component it is; each is named once."""
    files = {
        **client("from .task import train"),
        "tiny/task.py": "from .deep.net import Net\n\ndef train() -> None: ...\n",
        "tiny/deep/__init__.py": "",
        "tiny/deep/net.py": "from ..missing import x\nfrom ... import y\nclass Net: ...\n",
        "tiny/broken.py": "return 1\n",
        "tiny/server.py": f"import tiny.broken\nfrom tiny import task\n{SERVER}",
    }
    assert sorted(refusals(write_app(tmp_path, files))) == [
        f"tiny/broken.py:1: Python does not compile it: 'return' outside function ({HERE})",
        "tiny/deep/net.py:1: imports tiny.missing, but there is no tiny/missing.py and no "
        "tiny/missing/__init__.py",
        "tiny/deep/net.py:2: relative import, but it leads out of the package",
    ]
    (tmp_path / "tiny/server.py").write_text(SERVER)
    (tmp_path / "tiny/client.py").write_text(CLIENT)
    assert load(tmp_path).warnings == ()


@pytest.mark.parametrize(
    "line",
    [
        "import os.path, json, numpy, torch.nn, flwr",
        "from torchvision.datasets import MNIST",
        "from tiny import anything",
        "from tiny.server import anything",
        "import datasets\nfrom datasets import load_dataset",
        "import sys\nif sys.platform == 'plan9':\n    import tiny.nowhere",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import tiny.nowhere",
        "if __name__ == '__main__':\n    import tiny.nowhere",
        "import tiny.extended.plugin",
        "import json.test_tools",
    ],
)
def test_what_may_come_from_elsewhere_is_no_problem(tmp_path: Path, line: str) -> None:
    """Libraries, attributes, directories that only look like a library, and what is imported perhaps."""
    files = {
        "datasets/train.json": "{}",
        "datasets/prepare.py": "",
        "tiny/extended/__init__.py": "import pkgutil\n__path__ = pkgutil.extend_path(__path__, __name__)\n",
        "json/test_tools.py": "",
    }
    assert load(write_app(tmp_path, {**files, **client(line)})).title


def test_a_fab_is_read_alike(tmp_path: Path) -> None:
    """Of a .fab file nothing is known but what is in it."""
    from flowerbed.flower.app.build import build

    write_app(tmp_path, {"tiny/test_x.py": "", **client("import tiny.test_x")})
    (tmp_path / "x.fab").write_bytes(build(tmp_path))
    with pytest.raises(UsageError, match=r"x\.fab: tiny/client\.py:1: imports tiny\.test_x, but there is no"):
        load(tmp_path / "x.fab")


def test_a_large_module_is_passed_over(tmp_path: Path) -> None:
    """Neither read nor refused: only components are of bounded size."""
    files = {"tiny/table.py": f"import tiny.nowhere\n{'#' * 300_000}", **client("import tiny.table")}
    assert load(write_app(tmp_path, files)).title


def test_another_pythons_syntax_is_no_reason_to_refuse(tmp_path: Path) -> None:
    """Where requires-python excludes this one, what it cannot compile may be right; else it is refused."""
    files = {"tiny/new.py": "new syntax 2030\n", **client("import tiny.new")}
    told = f"tiny/new.py:1: Python does not compile it: invalid syntax ({HERE})"
    assert refusals(write_app(tmp_path, files)) == [told]
    newer = pyproject("[project]\n", '[project]\nrequires-python = ">=3.99"\n')
    warnings = load(write_app(tmp_path, {**files, **newer})).warnings
    assert told in warnings
