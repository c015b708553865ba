"""Run config: what a user may set, how it is read, what is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowerbed.errors import UsageError
from flowerbed.flower.app.run_config import Scalar, flatten, overrides, settings_of
from flowerbed.flower.source.inline import run_config

DEFAULTS: dict[str, Scalar] = {
    "rounds": 3,
    "rate": 0.5,
    "mode": "fast",
    "verbose": False,
    "model.depth": 2,
}


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("rounds=7", "rounds", 7),
        ("rounds=-1", "rounds", -1),
        ("rounds = 1_000", "rounds", 1000),
        ("rounds=0x10", "rounds", 16),
        ("rate=0.25", "rate", 0.25),
        ("rate=1", "rate", 1.0),
        ("rate=1e-3", "rate", 0.001),
        ("verbose=true", "verbose", True),
        ("mode=slow", "mode", "slow"),
        ("mode=two words", "mode", "two words"),
        ('mode="quoted"', "mode", "quoted"),
        ("mode='single'", "mode", "single"),
        (r'mode="a\nb"', "mode", "a\nb"),
        ("mode=3", "mode", "3"),
        ("mode=true", "mode", "true"),
        ("mode=2026-11-24", "mode", "2026-11-24"),
        ("mode=a=b", "mode", "a=b"),
        ("mode=a#b", "mode", "a#b"),
        ("mode=1 # not a comment", "mode", "1 # not a comment"),
        ("mode=1\nrounds = 9", "mode", "1\nrounds = 9"),
        ('mode="unfinished', "mode", '"unfinished'),
        ("mode=[1, 2]", "mode", "[1, 2]"),
        ("mode=", "mode", ""),
        ("model.depth=5", "model.depth", 5),
        ("model={depth=4}", "model.depth", 4),
        ("mode={depth=4}", "mode", "{depth=4}"),
        ("mode=slow other=5", "mode", "slow other=5"),
    ],
)
def test_a_setting_is_read_as_the_default_has_it(setting: str, key: str, value: Scalar) -> None:
    """A value is a TOML scalar; where the default is a string, so is the value."""
    result = overrides(DEFAULTS, None, [setting])
    assert result == {key: value}
    assert type(result[key]) is type(DEFAULTS[key])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("rounds=two", "rounds must be an integer (its default is 3), not 'two'"),
        ("rounds=1.5", "rounds must be an integer (its default is 3), not 1.5"),
        ("rounds=true", "rounds must be an integer (its default is 3), not True"),
        ("rate=true", "rate must be a number (its default is 0.5), not True"),
        ("rate=fast", "rate must be a number (its default is 0.5), not 'fast'"),
        ("verbose=1", "verbose must be true or false (its default is False), not 1"),
        ("verbose=True", "verbose must be true or false (its default is False), not 'True'"),
        ("rounds=9223372036854775808", "rounds must fit in 64 bits"),
        ("roundz=1", "the app has no config key 'roundz'; did you mean 'rounds'?"),
        ("model.dept=1", "the app has no config key 'model.dept'; did you mean 'model.depth'?"),
        ("zzz=1", "the app has no config key 'zzz'; known are: mode, model.depth, rate, rounds, verbose"),
        ("rounds", "write KEY=VALUE"),
        ("=3", "write KEY=VALUE"),
        ("run.toml", "write --config run.toml"),
        ("rate=0.1 rounds=5", "one pair at a time; write --set rate=0.1 --set rounds=5"),
        ("mode=slow rounds=5", "one pair at a time; write --set mode=slow --set rounds=5"),
        ("rounds=5 mode='a b'", "one pair at a time; write --set rounds=5 --set 'mode='\"'\"'a b'\"'\"''"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(setting: str, message: str) -> None:
    """An unknown key or a value of another type names the setting and what would be right."""
    with pytest.raises(UsageError) as refused:
        overrides(DEFAULTS, None, [setting])
    assert str(refused.value) == f"--set {setting}: {message}"


def test_all_wrong_settings_are_told_at_once(tmp_path: Path) -> None:
    """Problems of the file and of the flags come together."""
    file = tmp_path / "run.toml"
    file.write_text("rate = [1]\nrounds = 'x'\n")
    with pytest.raises(UsageError) as refused:
        overrides(DEFAULTS, file, ["verbose=no", "nope=1"])
    assert [line.split(": ")[1].split(" ")[0] for line in str(refused.value).splitlines()] == [
        "rate",
        "rounds",
        "verbose",
        "the",
    ]


def test_flags_win_over_the_file_and_tables_are_flattened(tmp_path: Path) -> None:
    """`--set` is merged over `--config`; nested tables become dotted keys; only what was set is sent."""
    file = tmp_path / "run.toml"
    file.write_text("rounds = 5\nrate = 1\n[model]\ndepth = 9\n")
    assert overrides(DEFAULTS, file, ["rounds=6"]) == {"rounds": 6, "rate": 1.0, "model.depth": 9}


def test_a_table_is_flattened_as_flower_does(tmp_path: Path) -> None:
    """`--set` and Flower's own `--run-config` read an inline table alike; what is wrong in it is named."""
    from flwr.common.config import parse_config_args

    table = 'model={depth=4,head={wide=true,name="x"}}'
    given, problems = settings_of([table], DEFAULTS)
    assert ({key: value for key, (_, value) in given.items()}, problems) == (parse_config_args([table]), [])
    with pytest.raises(UsageError) as refused:
        overrides(DEFAULTS, None, ["model={depth=4, dept=[1]}", "model={dept=4}"])
    assert refused.value.what.splitlines() == [
        "--set model={depth=4, dept=[1]}: model.dept must be true, false, a number or a string",
        "--set model={dept=4}: the app has no config key 'model.dept'; did you mean 'model.depth'?",
    ]


def test_an_app_of_pieces_reads_settings_alike() -> None:
    """Its config is what is set: a table is flattened, two pairs in one are refused."""
    assert run_config(None, ("model={depth=4}", "rate=0.1")) == {"model.depth": 4, "rate": 0.1}
    with pytest.raises(UsageError, match=r"write --set rate=0.1 --set rounds=5"):
        run_config(None, ("rate=0.1 rounds=5",))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("rounds = 5\n".encode("utf-16"), "the file is UTF-16, not UTF-8\n  save it as UTF-8"),
        ("rounds = 5\n".encode("utf-16-be"), "the file is UTF-16, not UTF-8\n  save it as UTF-8"),
        ("rounds = 5\n# größer".encode("latin-1"), "the file is not UTF-8 (line 2, byte 0xf6)\n  save it"),
    ],
)
def test_a_file_of_another_encoding_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    """What some editors write: the encoding and how to save it."""
    file = tmp_path / "run.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError) as refused:
        overrides(DEFAULTS, file, [])
    assert str(refused.value).startswith(f"{file}: {says}")


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    """As in the declaration."""
    file = tmp_path / "run.toml"
    file.write_text("rounds = 5\n", encoding="utf-8-sig")
    assert overrides(DEFAULTS, file, []) == {"rounds": 5}


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", None])
def test_an_unreadable_config_file_names_itself(tmp_path: Path, content: bytes | None) -> None:
    """A config file that is missing or not TOML is one sentence with its path."""
    file = tmp_path / "run.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=r"run\.toml"):
        overrides(DEFAULTS, file, [])


def test_flatten_names_what_cannot_be_sent() -> None:
    """Lists and dates are not run config; the rest of the table still is."""
    table = {"a": {"b": 1, "c": [2]}, "d": True}
    assert flatten(table) == ({"a.b": 1, "d": True}, ["a.c"])
