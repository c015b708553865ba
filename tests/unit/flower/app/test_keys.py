"""Keys of the run config that an app's code reads, declared or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowerbed.errors import UsageError
from flowerbed.flower.app.app import load, load_for_run
from flowerbed.flower.app.fab import FabFile
from flowerbed.flower.app.reads import Key, keys_read
from flowerbed.flower.app.syntax import compiled
from support.apps import SERVER, pyproject, write_app


def read(*lines: str) -> dict[str, Key]:
    source = "\n".join(("def main(context):", *(f"    {line}" for line in lines)))
    return keys_read({"a.py": compiled(source.encode())})


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (['context.run_config["a"]'], {"a": Key("a.py:2", needed=True)}),
        (["c = context.run_config", 'c["a"]'], {"a": Key("a.py:3", needed=True)}),
        (["c: dict = context.run_config", "c['a']"], {"a": Key("a.py:3", needed=True)}),
        (['context.run_config.get("a", 0.5)'], {"a": Key("a.py:2", needed=False, default=0.5)}),
        (['context.run_config.get("a")'], {"a": Key("a.py:2", needed=False)}),
        (["c = context.run_config", 'if "a" in c:', '  c["a"]'], {"a": Key("a.py:3", needed=False)}),
        (
            ["try:", '  context.run_config["a"]', "except KeyError:", "  pass"],
            {"a": Key("a.py:3", needed=False)},
        ),
        (
            ["try:", '  context.run_config["a"]', "except OSError:", "  pass"],
            {"a": Key("a.py:3", needed=True)},
        ),
        (["c = context.run_config", "c = {**c, 'a': 1}", 'c["a"]'], {}),
        (["c = dict(context.run_config)", 'c["a"]'], {}),
        (["c = context.run_config", "def f(c):", '  c["a"]'], {}),
        (['context.run_config["a"] = 1', "context.run_config[key]", 'context.node_config["a"]'], {}),
    ],
)
def test_a_key_is_found_by_its_name(lines: list[str], found: dict[str, Key]) -> None:
    """Needed is what is read without a default, a look before it, or a handler of its error."""
    assert read(*lines) == found


UNDECLARED = {"tiny/server.py": f'{SERVER}    print(config["extra"], context.run_config.get("lr", 0.1))\n'}


def test_an_undeclared_key_is_told_before_sending(tmp_path: Path) -> None:
    """With file and line, and both ways out; what is declared or set is not told."""
    write_app(tmp_path, UNDECLARED)
    assert load_for_run(tmp_path, None, ())[0].warnings == (
        "tiny/server.py:17 reads the run config's 'extra', which is not declared: declare it in "
        "[tool.flwr.app.config], or give --set extra=VALUE",
    )
    assert load_for_run(tmp_path, None, ["extra=3"])[0].warnings == ()
    write_app(tmp_path, {**UNDECLARED, **pyproject("ticks = 4", "ticks = 4\nextra = 1")})
    assert load_for_run(tmp_path, None, ())[0].warnings == ()
    write_app(tmp_path, {**UNDECLARED, **pyproject("ending = ", "extra = {deep = 1}\nending = ")})
    assert 'read run_config["extra.deep"]' in load_for_run(tmp_path, None, ())[0].warnings[0]


def test_an_undeclared_key_that_code_reads_can_be_set(tmp_path: Path) -> None:
    """The FAB declares it then, as `flwr build` makes it of an app that does; other keys stay refused."""
    declared = pyproject('ending = "well"\n', 'ending = "well"\nextra = 3\n')
    wanted = load(write_app(tmp_path / "b", {**UNDECLARED, **declared}))
    folder = write_app(tmp_path / "a", UNDECLARED)
    app, config = load_for_run(folder, None, ["extra=3"])
    assert config == {"extra": 3}
    assert app.fab == wanted.fab
    assert app.defaults == load(folder).defaults
    (tmp_path / "a.fab").write_bytes(load(folder).fab)
    packed = load_for_run(tmp_path / "a.fab", None, ["extra=3"])[0]
    assert packed.fab == wanted.fab
    with pytest.raises(UsageError, match="the app has no config key 'extras'; did you mean 'extra'"):
        load_for_run(folder, None, ["extras=3"])


def test_a_key_of_flowers_own_merging_arrives(tmp_path: Path) -> None:
    """Flower merges what is set into what the FAB declares, dotted keys too."""
    from flwr.cli.config_utils import get_fab_config
    from flwr.common.config import flatten_dict, fuse_dicts

    server = f'{SERVER}    print(context.run_config["model.depth"])\n'
    app, config = load_for_run(write_app(tmp_path, {"tiny/server.py": server}), None, ["model={depth=4}"])
    declared = flatten_dict(get_fab_config(app.fab)["tool"]["flwr"]["app"]["config"])
    assert fuse_dicts(declared, config, check_keys=True)["model.depth"] == 4
    assert FabFile(app.fab).sizes


def test_a_default_in_code_gives_the_type(tmp_path: Path) -> None:
    """`get("lr", 0.1)` takes a number."""
    folder = write_app(tmp_path, UNDECLARED)
    assert load_for_run(folder, None, ["lr=1", "extra=x"])[1] == {"lr": 1.0, "extra": "x"}
    with pytest.raises(UsageError, match=r"lr must be a number \(its default is 0.1\), not 'fast'"):
        load_for_run(folder, None, ["lr=fast"])
