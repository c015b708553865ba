"""Apps made of loose pieces: what becomes of them, and what is said of pieces that do not fit."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pytest

from flowerbed.errors import UsageError
from flowerbed.flower.app.app import load
from flowerbed.flower.source.inline import FLOWER, Inline, run_config
from flowerbed.flower.source.options import SourceFlags
from flowerbed.flower.source.prepare import prepared
from flowerbed.flower.source.request import Request, Source
from support.apps import CLIENT, SERVER, write_app

BOTH = SERVER.replace("app =", "serving =").replace("@app.", "@serving.") + "\n" + CLIENT


@pytest.fixture
def pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay pieces out in the folder that we are in."""
    folder = tmp_path / "pieces"
    files = {"client.py": CLIENT, "server.py": SERVER, "both.py": BOTH, "helpers.py": "x = 1\n"}
    files |= {"kit/__init__.py": "", "kit/deep/more.py": "y = 2\n", "kit/data.csv": "1"}
    files |= {
        "requirements.txt": "# for it\nnumpy>=2  # arrays\n\nscikit-learn ~= 1.5 ; python_version > '3'\n"
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.chdir(folder)
    return folder


def made(inline: Inline) -> tuple[dict[str, Any], set[str]]:
    """Return the project that is made of pieces, which passes all checks, and its files."""
    with prepared(Request(inline=inline)) as found:
        app = load(found.path)
        assert found.source == Source(kind="inline", location="inline")
        files = {str(file.relative_to(found.path)) for file in found.path.rglob("*") if file.is_file()}
        assert files <= set(app.files) | {"pyproject.toml"}
        return tomllib.loads((found.path / "pyproject.toml").read_text()), files


@pytest.mark.parametrize(
    ("client", "server", "modules", "components"),
    [
        ("client.py", "server.py", (), ("client:app", "server:app")),
        ("client.py:app", "server.py:app", ("helpers.py", "kit"), ("client:app", "server:app")),
        (CLIENT, SERVER, (), ("client_app:app", "server_app:app")),
        ("both.py", "both.py", (), ("both:app", "both:serving")),
        ("app", "serving", ("both.py",), ("both:app", "both:serving")),
        ("both:app", "server.py", ("both.py",), ("both:app", "server:app")),
    ],
)
def test_components(
    pieces: Path, client: str, server: str, modules: tuple[str, ...], components: tuple[str, str]
) -> None:
    """Files, code, modules and bare names of objects all become MODULE:OBJECT."""
    before = sorted(pieces.rglob("*"))
    project, files = made(Inline(client=client, server=server, modules=tuple(map(Path, modules))))
    assert project["tool"]["flwr"]["app"]["components"] == {
        "clientapp": components[0],
        "serverapp": components[1],
    }
    assert ("kit/deep/more.py" in files) == ("kit" in modules)
    assert "kit/data.csv" not in files
    assert sorted(pieces.rglob("*")) == before


def test_the_project(pieces: Path) -> None:
    """Name, publisher, version, requirements and run config stand in pyproject.toml, typed."""
    hostile = 'q" \\ \n [x] é \x7f'
    inline = Inline(
        client="client.py",
        server="server.py",
        requirements=Path("requirements.txt"),
        name="mine",
        publisher="team",
        version="2.0",
        config={"text": hostile, "rate": 1.0, "a.b": 3, "on": True},
    )
    project, _ = made(inline)
    assert project["project"] == {
        "name": "mine",
        "version": "2.0",
        "dependencies": [FLOWER, "numpy>=2", 'scikit-learn~=1.5; python_version > "3"'],
    }
    app = project["tool"]["flwr"]["app"]
    assert app["publisher"] == "team"
    assert app["config"] == inline.config
    assert isinstance(app["config"]["rate"], float)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"client": "none.py"}, "--client: none.py: No such file"),
        ({"client": "helpers.py"}, "no object made by ClientApp"),
        ({"client": "helpers"}, "no module has an object 'helpers'"),
        ({"client": "def x(:\n"}, "does not parse"),
        ({"server": "client.py"}, "no object made by ServerApp"),
        ({"modules": (Path("none.py"),)}, "none.py: No such file"),
        ({"modules": (Path("requirements.txt"),)}, "cannot be imported"),
        ({"modules": (Path("random.py"), Path("flwr"))}, "random.py: would hide"),
        ({"modules": (Path("my-module.py"),)}, "my-module.py: its name cannot be imported"),
        ({"modules": (Path("kit/deep/client.py"),)}, "there is another client.py already"),
        ({"requirements": ("-r other.txt",)}, "1: '-r other.txt' is not a requirement"),
        ({"requirements": Path("none.txt")}, "none.txt: No such file"),
        ({"name": "../x"}, "project.name"),
        ({"publisher": "a/b"}, "publisher"),
        ({"client": "client.py:none"}, "defines no none"),
    ],
)
def test_pieces_that_do_not_fit(pieces: Path, change: dict[str, Any], said: str) -> None:
    """Each is told by the flag or file that it came from."""
    for name in ("random.py", "my-module.py", "kit/deep/client.py", "flwr/__init__.py"):
        (pieces / name).parent.mkdir(exist_ok=True)
        (pieces / name).write_text("z = 1\n")
    with pytest.raises(UsageError, match="(?s).*" + said.replace("(", r"\(").replace("../", "")) as error:
        made(Inline(**{"client": "client.py", "server": "server.py", **change}))
    assert "/flowerbed-app-" not in str(error.value)


def test_all_that_is_wrong_at_once(pieces: Path) -> None:
    """Four mistakes, four lines."""
    inline = Inline(client="a.py", server="b.py", modules=(Path("c.py"),), requirements=("?",))
    with pytest.raises(UsageError) as error:
        made(inline)
    assert len(error.value.what.splitlines()) == 4


def test_run_config(tmp_path: Path) -> None:
    """What the flags say are the defaults of an app that has none."""
    (tmp_path / "c.toml").write_text("rate = 1.0\n[model]\ndepth = 3\n")
    found = run_config(tmp_path / "c.toml", ("rounds=5", "name=x", "rate=0.5"))
    assert found == {"rate": 0.5, "model.depth": 3, "rounds": 5, "name": "x"}


@pytest.mark.parametrize(
    ("app", "given", "said"),
    [
        (None, {}, "which app?"),
        (None, {"client": "client.py"}, "give both"),
        ("x", {"app_name": "x"}, "give both"),
        ("x", {"client": "client.py", "server": "server.py"}, "either named, or made of"),
        (None, {"client": "client.py", "server": "server.py", "ref": "x"}, "takes no --ref"),
        (".", {"sha256": "0"}, "takes no --sha256"),
        (".", {"token_file": Path("x")}, "takes no --token-file"),
        ("nowhere", {}, "no such app"),
        ("both.py", {}, "it cannot be unpacked"),
        ("x" * 5000, {}, "File name too long"),
    ],
)
def test_flags_that_do_not_fit(pieces: Path, app: str | None, given: dict[str, Any], said: str) -> None:
    """A flag that would have no effect is refused."""
    with pytest.raises(UsageError, match=said), prepared(SourceFlags(**given).request(app)):
        pass


def test_a_record_that_was_made_before(tmp_path: Path) -> None:
    """An app that was fetched before keeps the record of where it came from; a damaged one is refused."""
    record = tmp_path / "source.json"
    record.write_text('{"kind": "git", "location": "https://git.example.org/x.git", "commit": "0"}')
    app = str(write_app(tmp_path / "app"))
    with prepared(SourceFlags(source_record=record).request(app)) as found:
        assert found.source == Source(kind="git", location="https://git.example.org/x.git", commit="0")
    record.write_text('{"kind": "git"}')
    with pytest.raises(UsageError, match="is not the record"), prepared(Request(app=app, record=record)):
        pass


@pytest.mark.parametrize("name", ["beside.py", "beside/__init__.py"])
def test_a_module_that_lies_beside_a_piece_has_to_be_one(pieces: Path, name: str) -> None:
    """What a piece imports for certain and only lies beside it would be missing on every node."""
    (pieces / name).parent.mkdir(exist_ok=True)
    (pieces / name).write_text("x = 1\n")
    code = (pieces / "client.py").read_text()
    (pieces / "client.py").write_text(f"from beside import x\n{code}")
    module = Path(name).parent if "/" in name else Path(name)
    inline = Inline(client="client.py", server="server.py", modules=(Path("helpers.py"),))
    with pytest.raises(UsageError, match=rf"client\.py:1: imports beside, .* --module {module}"):
        made(inline)
    assert made(dataclasses.replace(inline, modules=(*inline.modules, module)))
    (pieces / "client.py").write_text(f"try:\n    import beside\nexcept ImportError:\n    pass\n{code}")
    assert made(inline)
