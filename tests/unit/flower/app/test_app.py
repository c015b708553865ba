"""Apps before they are sent: what is accepted, and what each wrong one is told."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from flowerbed.errors import UsageError
from flowerbed.flower.app import build as flower_build
from flowerbed.flower.app import fab as flower_fab
from flowerbed.flower.app.app import load, load_for_run
from support.apps import SERVER, pyproject, write_app


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as refused:
        load(path)
    assert refused.value.exit_code == 2
    return str(refused.value)


def test_a_right_app_is_packed_and_listed(tmp_path: Path) -> None:
    """An app folder becomes a FAB with its title, its files, its defaults and its hash."""
    app = load(write_app(tmp_path))
    assert app.title == "flowerbed/tiny 1.0.0"
    assert sorted(app.files) == ["pyproject.toml", "tiny/__init__.py", "tiny/client.py", "tiny/server.py"]
    assert app.defaults == {"ticks": 4, "pause": 0.25, "ending": "well"}
    assert app.hash == hashlib.sha256(app.fab).hexdigest()


def test_an_app_folder_is_only_read(tmp_path: Path) -> None:
    """Packing writes nothing into the app's folder, not even into one that could be written."""
    write_app(
        tmp_path,
        pyproject("[tool.flwr.app]\n", "[tool.flwr.federations]\ndefault = 'x'\n\n[tool.flwr.app]\n"),
    )
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    load(tmp_path)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (pyproject('name = "tiny"', 'name = "my_app"'), "project.name is 'my_app'"),
        (pyproject('name = "tiny"', 'name = "a-"'), "project.name is 'a-'"),
        (pyproject('name = "tiny"', f'name = "{"a" * 33}"'), "project.name is"),
        (pyproject('name = "tiny"', 'name = "../x"'), "project.name is '../x'"),
        (pyproject('name = "tiny"\n', ""), "project.name is missing"),
        (pyproject('"1.0.0"', '"../../1.0"'), "project.version is '../../1.0'"),
        (pyproject('"1.0.0"', '"newest"'), "project.version is 'newest'"),
        (pyproject('"1.0.0"', '"1.0 "'), "project.version is '1.0 '"),
        (pyproject('version = "1.0.0"', "version = 1"), "project.version is 1:"),
        (pyproject('version = "1.0.0"', 'dynamic = ["version"]'), "project.version is missing"),
        (pyproject('publisher = "flowerbed"', 'publisher = ""'), "tool.flwr.app.publisher is ''"),
        (pyproject('publisher = "flowerbed"', 'publisher = "a/b"'), "tool.flwr.app.publisher is 'a/b'"),
        (pyproject('publisher = "flowerbed"', 'publisher = "..x"'), "tool.flwr.app.publisher is '..x'"),
        (pyproject('publisher = "flowerbed"\n', ""), "tool.flwr.app.publisher is missing"),
        (pyproject('clientapp = "tiny.client:app"\n', ""), "tool.flwr.app.components.clientapp is missing"),
        (
            pyproject("tiny.client:app", "tiny.client"),
            "components.clientapp is 'tiny.client': write MODULE:OBJECT",
        ),
        (pyproject("tiny.client:app", "tiny..client:app"), "write MODULE:OBJECT"),
        (pyproject("tiny.client:app", "../tiny:app"), "write MODULE:OBJECT"),
        (
            pyproject("tiny.client:app", "tiny.clients:app"),
            "there is no tiny/clients.py and no tiny/clients/__init__.py",
        ),
        (pyproject("tiny.client:app", "tiny.client:application"), "its module defines no application"),
        (pyproject("ticks = 4", "ticks = [4]"), "tool.flwr.app.config.ticks must be true, false, a number"),
        ({"tiny/server.py": "def main(:\n"}, "line 1 of its module does not compile: invalid syntax"),
        ({"tiny/server.py": "def main():\n    app = 1\n"}, "its module defines no app"),
        ({"tiny/server.py": "app\n"}, "its module defines no app"),
        ({"tiny/server.py": "x = lambda: (app := 1)\n"}, "its module defines no app"),
        ({"tiny/server.py": "\0"}, "does not compile"),
        ({"tiny/server.py": "(" * 5000}, "does not compile"),
        ({"pyproject.toml": "[project\n"}, "not TOML"),
        ({"pyproject.toml": ""}, "project.name is missing"),
        ({"pyproject.toml": "project = 3\n[tool]\nflwr = 'x'\n"}, "project.name is missing"),
        (
            {".gitignore": "server.py\n"},
            "tiny/server.py, which serverapp names, does not get into the FAB: line 1 of .gitignore has",
        ),
        (
            {"tiny/server.py": "app = 1\nreturn 1\n"},
            "line 2 of its module does not compile: 'return' outside",
        ),
        ({"tiny/server.py": "app = 1\nfrom __future__ import x\n"}, "line 2 of its module does not compile"),
        (pyproject("[tool.flwr.app]\n", "[tool.flwr.app]\nfab-exclude = []\n"), "Flower cannot pack it"),
        ({"a/b/c/d/e/f/g/h/i/j/k/l.py": ""}, "Flower cannot pack it"),
    ],
)
def test_a_wrong_app_is_told_what_is_wrong(tmp_path: Path, files: dict[str, str], message: str) -> None:
    """Each mistake names the file or key and what it is; nothing is sent."""
    assert message in refusal(write_app(tmp_path, files))


@pytest.mark.parametrize(
    ("encoding", "says"),
    [
        ("utf-8-sig", "pyproject.toml: begins with a byte order mark, which Flower does not read"),
        ("utf-16", "pyproject.toml: the file is UTF-16, not UTF-8"),
        ("latin-1", "pyproject.toml: the file is not UTF-8 (line 4, byte 0xe4)"),
    ],
)
def test_a_pyproject_of_another_encoding_is_named(tmp_path: Path, encoding: str, says: str) -> None:
    """Flower reads UTF-8 without a mark alone, and says of others where it stumbled at most."""
    text = pyproject("An app that counts", "Zählt")["pyproject.toml"]
    write_app(tmp_path)
    (tmp_path / "pyproject.toml").write_text(text, encoding=encoding)
    message = refusal(tmp_path)
    assert says in message
    assert message.endswith("save it as UTF-8 without a byte order mark")


@pytest.mark.parametrize(
    "source",
    [
        "app: object = 1\n",
        "def app(): ...\n",
        "async def app(): ...\n",
        "class app: ...\n",
        "import x as app\n",
        "from x import app\n",
        "from x import *\n",
        "if True:\n    app = 1\nelse:\n    app = 2\n",
        "try:\n    app = 1\nexcept Exception:\n    raise\n",
        "with open('x') as app: ...\n",
        "(app := 3)\n",
        "a = app = 3\n",
        "other, app = 1, 2\n",
        "def __getattr__(name): ...\n",
        "# -*- coding: latin-1 -*-\napp = '\\d'\n",
    ],
)
def test_every_way_to_define_an_object_counts(tmp_path: Path, source: str) -> None:
    """The object that a component names may be defined in any way that Python has at a module's top."""
    assert load(write_app(tmp_path, {"tiny/server.py": source})).title


@pytest.mark.parametrize("old", ['version = "1.0.0"', 'description = "An app that counts"'])
def test_a_package_and_a_dotted_object_are_accepted(tmp_path: Path, old: str) -> None:
    """A component may name a package, and an attribute of an object."""
    files = pyproject("tiny.server:app", "tiny.serving:made.app")
    assert old in files["pyproject.toml"]
    assert load(write_app(tmp_path, {**files, "tiny/serving/__init__.py": "made = object()\n"}))


def test_an_agent_app_needs_no_other_components(tmp_path: Path) -> None:
    """Flower's third kind of app is checked by its own component."""
    components = 'serverapp = "tiny.server:app"\nclientapp = "tiny.client:app"\n'
    write_app(tmp_path, pyproject(components, 'agentapp = "tiny.server:app"\n'))
    assert load(tmp_path)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """An app with four mistakes gets four lines, each with the file."""
    files = pyproject('name = "tiny"\nversion = "1.0.0"', 'name = "x_y"\nversion = "z"')
    files["pyproject.toml"] = (
        files["pyproject.toml"].replace('"flowerbed"', '"a/b"').replace("server:app", "server:nope")
    )
    lines = refusal(write_app(tmp_path, files)).splitlines()
    assert len(lines) == 4
    assert all(line.startswith(str(tmp_path / "pyproject.toml")) for line in lines)


def test_a_symbolic_link_is_not_packed_and_said_so(tmp_path: Path) -> None:
    """Flower leaves links out: a component that is one is told before the run would fail."""
    write_app(tmp_path)
    (tmp_path / "elsewhere.py").write_text(SERVER)
    (tmp_path / "tiny/server.py").unlink()
    (tmp_path / "tiny/server.py").symlink_to(tmp_path / "elsewhere.py")
    assert "serverapp is 'tiny.server:app': server.py is a symbolic link" in refusal(tmp_path)


def test_what_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """A missing path, an empty folder and a file that is no FAB are each told plainly."""
    assert "no such app" in refusal(tmp_path / "nowhere")
    assert f"{tmp_path}: no pyproject.toml in it" in refusal(tmp_path)
    (tmp_path / "x.fab").write_bytes(b"not a zip")
    assert "x.fab: not a FAB: it does not begin as a zip archive does" in refusal(tmp_path / "x.fab")


def fab(tmp_path: Path, **changes: bytes | None) -> Path:
    """Return a .fab file whose entries were changed after its manifest was written (None: left out)."""
    packed = load(write_app(tmp_path / "app")).fab
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as old, zipfile.ZipFile(target, "w") as new:
        for name in [*old.namelist(), *(set(changes) - set(old.namelist()))]:
            content = changes.get(name, old.read(name) if name in old.namelist() else None)
            if content is not None:
                new.writestr(name, content)
    (tmp_path / "changed.fab").write_bytes(target.getvalue())
    return tmp_path / "changed.fab"


def test_a_ready_fab_is_the_same_app(tmp_path: Path) -> None:
    """A .fab file gives the same App as the folder that it was packed from."""
    app = load(write_app(tmp_path / "app"))
    (tmp_path / "tiny.fab").write_bytes(app.fab)
    assert load(tmp_path / "tiny.fab") == app


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tiny/server.py": b"app = 'another'"}, "its files are not those that .info/CONTENT lists"),
        ({"tiny/more.py": b""}, "its files are not those that .info/CONTENT lists"),
        ({"tiny/client.py": None}, "its files are not those that .info/CONTENT lists"),
        ({".info/CONTENT": None}, "its files are not those that .info/CONTENT lists"),
        ({"../evil.py": b""}, "entry '../evil.py' would be written outside the app's directory"),
        ({"/etc/evil.py": b""}, "entry '/etc/evil.py' would be written outside the app's directory"),
        ({"a\\..\\evil.py": b""}, "would be written outside the app's directory"),
        ({"c:evil.py": b""}, "would be written outside the app's directory"),
    ],
)
def test_a_changed_fab_is_refused(tmp_path: Path, changes: dict[str, bytes | None], message: str) -> None:
    """A FAB whose content is not its manifest's, or that would leave its folder, is not sent."""
    assert message in refusal(fab(tmp_path, **changes))


def test_links_and_doubles_in_a_fab_are_refused(tmp_path: Path) -> None:
    """An entry that is a symbolic link, and an entry that occurs twice, are named."""
    file = fab(tmp_path)
    link = zipfile.ZipInfo("tiny/link.py")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(link, "/etc/passwd")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("tiny/client.py", "")
    message = refusal(file)
    assert "entry 'tiny/link.py' is a symbolic link" in message
    assert "entry 'tiny/client.py' occurs more than once" in message


def test_a_bomb_is_refused_without_unpacking_it(tmp_path: Path) -> None:
    """A FAB that is small and would unpack to much more than Flower takes is refused by its directory."""
    file = tmp_path / "bomb.fab"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.py", bytes(flower_fab.LARGEST_UNPACKED + 1))
    assert file.stat().st_size < 1_000_000
    assert "unpacked it would be" in refusal(file)


def test_a_fab_larger_than_flower_takes_is_refused(tmp_path: Path) -> None:
    """10 MiB is the limit, for a file and for a folder alike."""
    file = tmp_path / "large.fab"
    file.write_bytes(bytes(flower_build.LARGEST_FAB + 1))
    assert "large.fab: 10,485,761 bytes; Flower takes FABs of up to 10,485,760 bytes" in refusal(file)
    write_app(tmp_path / "app", {"tiny/data.json": "0" * (flower_build.LARGEST_FAB + 1)})
    assert "its files are more than 10,485,760 bytes" in refusal(tmp_path / "app")


def test_a_wrong_app_and_wrong_settings_are_told_together(tmp_path: Path) -> None:
    """What is wrong with `--set` is told with what is wrong with the app, where its defaults can be read."""
    write_app(tmp_path, pyproject('version = "1.0.0"', 'version = "newest"'))
    with pytest.raises(UsageError) as refused:
        load_for_run(tmp_path, None, ["tick=3", "pause=0.5"])
    assert refused.value.what.splitlines() == [
        f"{tmp_path}/pyproject.toml: project.version is 'newest': write a version as PEP 440 has it, "
        'such as "1.0.0"',
        "--set tick=3: the app has no config key 'tick'; did you mean 'ticks'?",
    ]
    write_app(tmp_path)
    app, config = load_for_run(tmp_path, None, ["ticks=3"])
    assert (app.defaults["ticks"], config) == (4, {"ticks": 3})
