"""Apps that Flower refuses, or cannot import from: the cause in a sentence, and `--fix`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowerbed.errors import UsageError
from flowerbed.flower.app.app import load_for_run
from flowerbed.flower.app.fix import corrected
from flowerbed.flower.app.requirements import FEDERATION
from flowerbed.flower.programs import submit
from support.apps import CLIENT, PYPROJECT, SERVER, pyproject, write_app
from support.git_repositories import write

CODE = {"__init__.py": "", "server.py": SERVER, "client.py": CLIENT}


def refusal(folder: Path) -> UsageError:
    with pytest.raises(UsageError) as refused:
        load_for_run(folder, None, ())
    return refused.value


def contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def fixed(folder: Path) -> tuple[list[str], str, tuple[str, ...]]:
    """Return the files of the corrected app, what was said, and its warnings; the folder stays as it is."""
    said: list[str] = []
    before = contents(folder)
    app, _ = load_for_run(folder, None, (), None, said.append)
    assert contents(folder) == before
    return sorted(app.files), "\n".join(said), app.warnings


RIGHT = ["pyproject.toml", "tiny/__init__.py", "tiny/client.py", "tiny/server.py"]


def test_modules_under_src_are_named_and_moved(tmp_path: Path) -> None:
    """Flower installs nothing: it looks beside pyproject.toml alone. Patterns move with the files."""
    text = PYPROJECT.replace("[tool.flwr.app]\n", '[tool.flwr.app]\nfab-include = ["src/tiny/*.py"]\n')
    write(tmp_path, {"pyproject.toml": text, **{f"src/tiny/{name}": code for name, code in CODE.items()}})
    error = refusal(tmp_path)
    assert "modules are under src/, where Flower does not look: move src/tiny beside" in error.what
    assert "--fix uses a corrected copy" in error.remedy
    files, said, _ = fixed(tmp_path)
    assert files == RIGHT
    assert "what is in src/ is moved one directory up" in said
    assert '+fab-include = ["tiny/*.py"]' in said


def test_a_pyproject_inside_the_package_is_named_and_moved(tmp_path: Path) -> None:
    """The app's root is one directory up."""
    write(tmp_path / "tiny", {"pyproject.toml": PYPROJECT, **CODE})
    assert (
        "pyproject.toml is inside the package tiny: move it one directory up"
        in refusal(tmp_path / "tiny").what
    )
    files, said, _ = fixed(tmp_path / "tiny")
    assert files == RIGHT
    assert "tiny/ is made of the package's files, below pyproject.toml" in said


def test_all_that_flower_refuses_is_told_at_once_with_the_patch(tmp_path: Path) -> None:
    """Names, versions, publisher and two Flowers: one answer, and the lines that --fix changes."""
    text = PYPROJECT.replace('name = "tiny"', "name = '_my_app'  # ours").replace('"1.0.0"', '"newest"')
    text = text.replace('publisher = "flowerbed"\n', "")
    text = text.replace(
        '["flwr>=1.41"]', '[\n    "flwr[simulation]==1.17.0",\n    "numpy>=2",\n    "flwr",\n]'
    )
    write_app(tmp_path, {"pyproject.toml": text})
    error = refusal(tmp_path)
    assert len(error.what.splitlines()) == 5
    changes = [line.strip() for line in error.remedy.splitlines() if line.strip()[:1] in {"+", "-"}]
    assert [line for line in changes if line.startswith("+")][1:] == [
        '+name = "my-app"',
        '+version = "1.0.0"',
        f'+    "flwr[simulation]{FEDERATION}",',
        '+publisher = "local"',
    ]
    assert fixed(tmp_path)[0] == RIGHT


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_another_encoding_is_put_right(tmp_path: Path, encoding: str) -> None:
    """Without any other change."""
    write_app(tmp_path)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT, encoding=encoding)
    files, said, _ = fixed(tmp_path)
    assert files == RIGHT
    assert said.endswith("pyproject.toml is saved as UTF-8 without a byte order mark")


def test_what_cannot_be_edited_is_written_anew(tmp_path: Path) -> None:
    """Tables in a line are TOML too."""
    text = PYPROJECT.replace("[project]\n", "").replace('name = "tiny"\n', "")
    head, _, rest = text.partition("[tool.flwr.app]")
    inline = 'project = {name = "my_app", version = "1.0.0", dependencies = ["flwr==1.17"]}\n'
    assert head
    write_app(tmp_path, {"pyproject.toml": f"{inline}[tool.flwr.app]{rest}"})
    assert fixed(tmp_path)[0] == RIGHT


def test_a_right_app_is_left_alone(tmp_path: Path) -> None:
    """--fix of an app with nothing to put right says nothing, and packs the same bytes."""
    write_app(tmp_path)
    said: list[str] = []
    app = load_for_run(tmp_path, None, (), None, said.append)[0]
    assert (said, app) == ([], load_for_run(tmp_path, None, ())[0])
    assert corrected(tmp_path) == ""


def test_what_cannot_be_put_right_stays_refused(tmp_path: Path) -> None:
    """With the user's own path, though it was a copy that was read."""
    write_app(tmp_path, {**pyproject('"tiny"', '"my_app"'), "tiny/server.py": "return 1\n"})
    with pytest.raises(UsageError) as refused:
        load_for_run(tmp_path, None, (), None, lambda _: None)
    assert refused.value.what.startswith(f"{tmp_path}/pyproject.toml: tool.flwr.app.components.serverapp")


def test_what_is_wrong_beyond_is_told_at_once(tmp_path: Path) -> None:
    """Flower cannot pack it for its name; what it imports is looked at all the same, in a corrected copy."""
    write_app(tmp_path, {**pyproject('"tiny"', '"my_app"'), "tiny/client.py": f"import tiny.none\n{CLIENT}"})
    error = refusal(tmp_path)
    assert error.remedy.startswith("--fix puts a part of it right in a copy")
    assert error.what.splitlines() == [
        f"{tmp_path}/pyproject.toml: project.name is 'my_app': write 1 to 32 letters, digits and hyphens, "
        "first a letter",
        f"{tmp_path}: tiny/client.py:1: imports tiny.none, but there is no tiny/none.py and no "
        "tiny/none/__init__.py",
    ]


def test_a_module_that_lies_elsewhere_is_named(tmp_path: Path) -> None:
    """Where one file alone has the name of the module that a component names."""
    write_app(tmp_path, {**pyproject("tiny.server", "tidy.server")})
    assert "there is no tidy/server.py and no tidy/server/__init__.py; is tiny.server meant?" in (
        refusal(tmp_path).what
    )
    (tmp_path / "other").mkdir()
    (tmp_path / "other/server.py").write_text("")
    assert "meant" not in refusal(tmp_path).what


def test_links_and_other_files_are_not_copied(tmp_path: Path) -> None:
    """What Flower would not pack is no part of the copy."""
    app = write_app(tmp_path / "app", {**pyproject('"tiny"', '"my_app"'), "tiny/data.csv": "1"})
    (tmp_path / "secret.py").write_text("x")
    (app / "tiny/secret.py").symlink_to(tmp_path / "secret.py")
    corrected(app, tmp_path / "copy")
    assert sorted(str(file.relative_to(tmp_path / "copy")) for file in contents(tmp_path / "copy")) == RIGHT


def test_an_app_in_a_sub_directory_is_named(tmp_path: Path) -> None:
    """Also below a pyproject.toml that is no app's."""
    write_app(tmp_path / "flwr_app")
    says = "there is an app in flwr_app: name that directory, or add --path flwr_app"
    assert refusal(tmp_path).remedy == says
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "mono"\nversion = "1"\n')
    assert refusal(tmp_path).remedy == says
    assert load_for_run(tmp_path / "flwr_app", None, ())[0].warnings == ()


def test_the_command_line_shows_the_change_before_it_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--fix --dry-run` shows the patch and the FAB; without --fix the app is refused with it."""
    app = str(write_app(tmp_path, pyproject('"tiny"', '"my_app"')))
    assert submit.run([app, "--dry-run"]) == 2
    assert '+name = "my-app"' in capsys.readouterr().err
    assert submit.run([app, "--dry-run", "--fix"]) == 0
    shown = capsys.readouterr()
    assert f"a corrected copy of {app} is used:" in shown.err
    assert '-name = "my_app"\n+name = "my-app"' in shown.err
    assert "app flowerbed/my-app 1.0.0" in shown.out


@pytest.mark.parametrize("module", [".server", "..server", "/tmp/x.server", "a/../../b.server", " .server"])
def test_a_hostile_component_leads_nowhere(tmp_path: Path, module: str) -> None:
    """Only a name that can be imported says where files of a copy go."""
    text = PYPROJECT.replace("tiny.server:app", f"{module}:app").replace('"tiny"', '"my_app"')
    write(tmp_path / "app", {"pyproject.toml": text, **CODE})
    corrected(tmp_path / "app", tmp_path / "in" / "copy")
    assert {file.name for file in tmp_path.iterdir()} == {"app", "in"}
    assert {file.name for file in (tmp_path / "in").iterdir()} == {"copy"}
    assert not any(Path("/").glob("server.py"))


def test_what_cannot_be_read_is_neither_waited_for_nor_fixed(tmp_path: Path) -> None:
    """A pipe, a link, a file of any size, keys that would take all memory."""
    app = write_app(tmp_path)
    file = app / "pyproject.toml"
    file.unlink()
    os.mkfifo(file)
    assert corrected(app) == ""
    file.unlink()
    (tmp_path / "elsewhere.toml").write_text(PYPROJECT.replace('"tiny"', '"my_app"'))
    file.symlink_to(tmp_path / "elsewhere.toml")
    assert corrected(app) == ""
    file.unlink()
    for text in ("#" * 10_000_000, ".".join("a" * 50_000) + " = 1\n", "a = " + "[" * 50_000, "no toml"):
        file.write_text(text)
        assert corrected(app) == ""
    (app / ".gitignore").unlink(missing_ok=True)
    os.mkfifo(app / ".gitignore")
    file.write_text(PYPROJECT)
    assert load_for_run(app, None, ())[0].warnings == ()


JUNK = st.recursive(
    st.booleans()
    | st.integers()
    | st.text(max_size=12)
    | st.sampled_from(["tiny.server:app", "flwr==1.0", "1.0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["project", "tool", "flwr", "app", "components", "serverapp", "name", "version", "dependencies"]
TABLES = st.recursive(
    st.dictionaries(st.sampled_from([*KEYS, "fab-include", "publisher"]), JUNK, max_size=5),
    lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(TABLES, TABLES)
def test_any_pyproject_is_answered(project: dict[str, object], app: dict[str, object]) -> None:
    """Whatever stands there: corrected, or left alone; what is corrected needs no second time."""
    import tomli_w

    with tempfile.TemporaryDirectory() as scratch:
        folder = write(Path(scratch) / "app", {**{f"tiny/{name}": text for name, text in CODE.items()}})
        text = tomli_w.dumps({"project": project, "tool": {"flwr": {"app": app}}})
        (folder / "pyproject.toml").write_text(text, encoding="utf-8")
        if corrected(folder, Path(scratch) / "copy"):
            assert corrected(Path(scratch) / "copy") == ""
