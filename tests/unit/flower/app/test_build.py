"""FABs are Flower's own, byte for byte, and packing one leaves Flower as it was."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from flowerbed.flower.app import build as flower_build
from support.apps import PYPROJECT, pyproject, write_app
from support.paths import ROOT, TESTS

GENERATOR = ROOT / "generator"
# Prints, as JSON, each folder's hash, and whether the libraries that Flower's command line needs were loaded.
LIGHTLY = """
import hashlib, json, sys
from pathlib import Path
from flowerbed.flower.app.build import build
hashes = [hashlib.sha256(build(Path(app))).hexdigest() for app in sys.argv[2:]]
print(json.dumps([hashes, sorted({"click", "flwr", "httpx", "rich", "typer"} & set(sys.modules))]))
"""
WHOLLY = """
import hashlib, json, sys
from pathlib import Path
from flwr.cli.build import build_fab_from_disk
print(json.dumps([hashlib.sha256(build_fab_from_disk(Path(app))).hexdigest() for app in sys.argv[1:]]))
"""
FORMAT_1 = pyproject(
    'license = "Apache-2.0"',
    'license = {file = "LICENSE"}',
)["pyproject.toml"].replace(
    'publisher = "flowerbed"',
    'publisher = "flowerbed"\nfab-format-version = 1\nflwr-version-target = "1.41.0"',
)
APPS: dict[str, dict[str, str]] = {
    "tiny": {},
    "ignored": {
        ".gitignore": "*.md\n!KEEP.md\n# comment\nsecret/\n",
        "A.md": "a",
        "KEEP.md": "k",
        "secret/x.py": "",
    },
    "types": {"a.txt": "t", "b.json": "{}", "c.csv": "1", "d.yaml": "x: 1", "e.jsonl": "{}", ".env": "K=1"},
    "built-in": {
        "lib/x.py": "",
        "tiny/lib/x.py": "",
        "build/x.py": "",
        "test_x.py": "",
        "x_test.py": "",
        ".venv/x.py": "",
    },
    "patterns": {
        **pyproject(
            "[tool.flwr.app]\n", '[tool.flwr.app]\nfab-include = ["tiny/**"]\nfab-exclude = ["tiny/old.py"]\n'
        ),
        "tiny/old.py": "",
        "other.py": "",
    },
    "federations": pyproject(
        "[tool.flwr.app]\n",
        '[tool.flwr.federations.x]\naddress = "y:1"\n[tool.flwr.app]\n',
    ),
    "words": {
        **pyproject("An app that counts", "Zählt, 数える"),
        "tiny/größe.py": "x = 'ä'\n",
        "README.md": "é\r\n",
    },
    "format-1": {"pyproject.toml": FORMAT_1, "LICENSE": "text"},
}


def random_files(seed: int) -> dict[str, str]:
    """Return a random tree of files beside the tiny app: names, depths and endings as people have them."""
    choose = random.Random(seed)
    words = ["lib", "tests", "data", "src", "a b", ".hidden", "__pycache__", "venv", "Ünit", "x"]
    endings = [".py", ".toml", ".md", ".json", ".txt", "", ".yml", "_test.py"]
    files = {}
    for _ in range(30):
        folders = [choose.choice(words) for _ in range(choose.randrange(4))]
        name = choose.choice([*words, "test_x"]) + choose.choice(endings)
        files["/".join([*folders, f"{choose.randrange(9)}{name}"])] = "x" * choose.randrange(200)
    files[".gitignore"] = "\n".join(
        choose.sample(["*.md", "/data", "!1*", "src/**", "x", "[0-4]*", "venv/"], 3)
    )
    return files


def python(*arguments: object) -> object:
    command = [sys.executable, "-c", *map(str, arguments)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout)


def test_fabs_are_those_of_flower(tmp_path: Path) -> None:
    """For apps of many kinds the bytes are Flower's, though hardly any of Flower is loaded."""
    trees = APPS | {f"random-{seed}": random_files(seed) for seed in range(20)}
    apps = [write_app(tmp_path / name, files) for name, files in trees.items()]
    (apps[0] / "link.py").symlink_to(apps[0] / "tiny/server.py")
    expected = python(WHOLLY, *apps)
    assert isinstance(expected, list)
    by_name = dict(zip(trees, expected, strict=True))
    assert by_name.pop("federations") == by_name["tiny"]  # connections of its author stay at home
    assert len(set(by_name.values())) == len(by_name)
    assert python(LIGHTLY, GENERATOR, *apps) == [expected, []]


def test_the_fab_is_the_one_that_flwr_build_writes(tmp_path: Path) -> None:
    """The file that `flwr build` leaves behind has the very bytes that are sent."""
    app = write_app(tmp_path / "tiny")
    flwr = Path(sys.executable).with_name("flwr")
    subprocess.run([flwr, "build", "--app", app], cwd=tmp_path, capture_output=True, timeout=60, check=True)
    [built] = tmp_path.glob("*.fab")
    assert built.read_bytes() == flower_build.build(app)


def test_flower_is_whole_after_packing() -> None:
    """After packing, `import flwr` gives the real package, once, and its messages are still the same ones."""
    code = """
import json, logging, sys, tempfile
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from support.apps import write_app
from flowerbed.flower.client import messages
from flowerbed.flower.app.build import build
control = messages()
with tempfile.TemporaryDirectory() as folder:
    light = build(write_app(Path(folder)))
    import flwr, flwr.cli.app, flwr.serverapp, flwr.clientapp, httpx, rich.console, typer
    from flwr.cli.build import build_fab_from_disk
    from flwr.proto import control_pb2
    assert build_fab_from_disk(Path(folder)) == light == build(Path(folder))
assert control_pb2 is control is messages()
assert sys.modules["flwr"].__version__.startswith("1.")
print(json.dumps([flwr.serverapp.ServerApp.__name__, len(logging.getLogger("flwr").handlers)]))
"""
    assert python(code, GENERATOR, TESTS) == ["ServerApp", 1]


def test_a_flower_that_needs_more_packs_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a stand-in is used after all, Flower is loaded whole and packs."""
    app = write_app(tmp_path)
    expected = flower_build.build(app)
    monkeypatch.setattr(flower_build, "NEEDED", frozenset({flower_build.BUILDER}))
    for name in [name for name in sys.modules if name.split(".")[0] == "flwr" and "proto" not in name]:
        monkeypatch.delitem(sys.modules, name)
    assert flower_build._build_lightly(app) == b""
    assert flower_build.build(app) == expected


def test_flowers_own_reason_is_given(tmp_path: Path) -> None:
    """What Flower refuses is refused with Flower's words."""
    write_app(
        tmp_path,
        {
            "pyproject.toml": PYPROJECT.replace(
                'publisher = "flowerbed"', "fab-include = ['no*']\npublisher = 'x'"
            )
        },
    )
    with pytest.raises(ValueError, match='Pattern in "fab-include" did not match any files'):
        flower_build.build(tmp_path)


def test_equal_folders_give_equal_fabs(tmp_path: Path) -> None:
    """Neither place nor age nor mode of the files is in the FAB."""
    first, second = write_app(tmp_path / "a"), write_app(tmp_path / "b" / "c")
    for file in second.rglob("*.py"):
        file.chmod(0o600)
    hashes = {hashlib.sha256(flower_build.build(app)).hexdigest() for app in (first, second)}
    assert len(hashes) == 1
