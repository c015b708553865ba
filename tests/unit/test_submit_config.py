"""Run config: what a user may set, how it is read, what is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowerbed.scripts.flower_config import Scalar, flatten, overrides
from flowerbed.scripts.flower_connection import Invalid

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
    ],
)
def test_a_wrong_setting_is_refused_by_name(setting: str, message: str) -> None:
    """An unknown key or a value of another type names the setting and what would be right."""
    with pytest.raises(Invalid) as refused:
        overrides(DEFAULTS, None, [setting])
    assert str(refused.value) == f"--set {setting}: {message}"


def test_all_wrong_settings_are_told_at_once(tmp_path: Path) -> None:
    """Problems of the file and of the flags come together."""
    file = tmp_path / "run.toml"
    file.write_text("rate = [1]\nrounds = 'x'\n")
    with pytest.raises(Invalid) as refused:
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


@pytest.mark.parametrize("content", [b"a = ", b"\xff\xfe", None])
def test_an_unreadable_config_file_names_itself(tmp_path: Path, content: bytes | None) -> None:
    """A config file that is missing or not TOML is one sentence with its path."""
    file = tmp_path / "run.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Invalid, match=r"run\.toml"):
        overrides(DEFAULTS, file, [])


def test_flatten_names_what_cannot_be_sent() -> None:
    """Lists and dates are not run config; the rest of the table still is."""
    table = {"a": {"b": 1, "c": [2]}, "d": True}
    assert flatten(table) == ({"a.b": 1, "d": True}, ["a.c"])
