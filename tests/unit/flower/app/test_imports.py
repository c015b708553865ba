"""What an app imports of its own gets into the FAB, or is refused before anything is sent."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowerbed.errors import UsageError
from flowerbed.flower.app.app import load
from flowerbed.flower.app.imports import Files, closure
from flowerbed.flower.app.packing_rules import BUILT_IN
from flowerbed.flower.app.reads import files_named, keys_read, renamed
from flowerbed.flower.app.requirements import declared_images, this_python
from support.apps import CLIENT, PYPROJECT, SERVER, pyproject, write_app

HERE = f"Python {sys.version_info.major}.{sys.version_info.minor}"


def refusal(folder: Path) -> list[str]:
    with pytest.raises(UsageError) as refused:
        load(folder)
    return [line.removeprefix(f"{folder}: ") for line in refused.value.what.splitlines()]


def client(line: str) -> dict[str, str]:
    return {"tiny/client.py": f"{line}\n{CLIENT}"}


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
    found = refusal(tmp_path)
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
        in refusal(tmp_path / "app")[0]
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
    assert sorted(refusal(write_app(tmp_path, files))) == [
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


def test_data_that_the_code_names_is_wanted(tmp_path: Path) -> None:
    """No advice that would take it from the app; data beside it that nothing names is told as before."""
    large = "0" * 1024 * 1024
    named = client('DATA = ROOT / "train.json"')
    files = {"tiny/data/train.json": large, "tiny/old/other.json": large, **named}
    [told] = load(write_app(tmp_path, files)).warnings
    assert told.startswith("tiny/old/ holds data")


def test_an_environment_that_flower_cannot_pack_is_named(tmp_path: Path) -> None:
    """Its depth or its size ends the packing: the message says what it is."""
    deep = "flenv/lib/python3.11/site-packages/a/b/c/d/e/f/g/h.py"
    write_app(tmp_path, {"flenv/pyvenv.cfg": "", deep: ""})
    with pytest.raises(UsageError, match=r"flenv/ is a Python environment: add .flenv/\*\*. to fab-exclude"):
        load(tmp_path)
    (tmp_path / ".gitignore").write_text("flenv/\n")
    assert load(tmp_path).warnings == ()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('LABELS = open("labels.m")', "tiny/labels.m"),
        ('LABELS = Path(__file__).parent / "labels.m"', "tiny/labels.m"),
        ('DATA = read_csv("./data/train.csv")', "data/train.csv"),
        ('DATA = ROOT / "train.csv"', "data/train.csv"),
        ('KNOWN = open("data/known.json")', ""),
        ('TEXT = "labels.n"', ""),
        # What the code writes is there from an earlier run.
        ('torch.save(model.state_dict(), "labels.m")', ""),
        ('np.savez("./data/train.csv", weights)', ""),
        ('open("labels.m", "a").write(text)', ""),
        ('open("labels.m", mode="wb")', ""),
        ('Path("data/train.csv").write_text(text)', ""),
        ('place = ROOT / "train.csv"; frame.to_csv(place)', ""),
        ('json.dump(known, open(os.path.join(out, "labels.m"), "w"))', ""),
        # The controls: what is read, and what is read from a path and then saved elsewhere.
        ('open("labels.m", "rb")', "tiny/labels.m"),
        ('model = load("labels.m"); torch.save(model, "other.m")', "tiny/labels.m"),
    ],
)
def test_a_file_that_code_names_and_flower_leaves_out_is_told(tmp_path: Path, line: str, told: str) -> None:
    """A literal path is a hint, no more: a warning with place and rule."""
    files = {"tiny/labels.m": "", "data/train.csv": "", "data/known.json": "{}"}
    files["tiny/client.py"] = f"import tiny\ndef load():\n    {line}\n{CLIENT}"
    found = load(write_app(tmp_path, files)).warnings
    assert [warning.startswith("tiny/client.py:3 names ") for warning in found] == [True] * bool(told)
    assert all(f"but {told} does not get into the FAB: Flower packs no such files" in text for text in found)


def test_records_that_flower_gave_up_are_told(tmp_path: Path) -> None:
    """Flower's own registry does not know them; what only names them in an annotation is left alone."""
    from flwr.supercore.inflatable.inflatable_utils import inflatable_class_registry

    from flowerbed.flower.app.reads import RENAMED

    assert not set(RENAMED) & set(inflatable_class_registry)
    assert set(RENAMED.values()) <= set(inflatable_class_registry)
    write_app(tmp_path, client("from flwr.common import RecordSet as R\ndef f(x: R):\n    return R()"))
    assert load(tmp_path).warnings == (
        "tiny/client.py:3 makes a RecordSet, which Flower cannot send in a message: use RecordDict",
    )
    write_app(tmp_path, client("from flwr.common import RecordSet as R\ndef f(x: R):\n    return x"))
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
        tmp_path, pyproject('["flwr>=1.41"]', '["flwr>=1.41", "nowhere-tools"]') | client("import nowhere")
    )
    assert len(load(tmp_path).warnings) == 1


def test_another_pythons_syntax_is_no_reason_to_refuse(tmp_path: Path) -> None:
    """Where requires-python excludes this one, what it cannot compile may be right; else it is refused."""
    files = {"tiny/new.py": "new syntax 2030\n", **client("import tiny.new")}
    told = f"tiny/new.py:1: Python does not compile it: invalid syntax ({HERE})"
    assert refusal(write_app(tmp_path, files)) == [told]
    newer = pyproject("[project]\n", '[project]\nrequires-python = ">=3.99"\n')
    warnings = load(write_app(tmp_path, {**files, **newer})).warnings
    assert told in warnings


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
        tmp_path, {"tiny/__init__.py": "a = 1\n" * 5000, "tiny/odd.py": code, **client("import tiny.odd")}
    )
    before = time.process_time()
    with contextlib.suppress(UsageError):
        load(tmp_path, declared_images({}))
    assert time.process_time() - before < 20
