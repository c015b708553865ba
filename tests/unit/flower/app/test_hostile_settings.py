"""Settings from anybody: whatever is typed is read, refused by name, or a string."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowerbed.errors import UsageError
from flowerbed.flower.app.run_config import KINDS, Scalar, overrides, parse

DEFAULTS: dict[str, Scalar] = {"count": 3, "rate": 0.5, "name": "x", "on": True, "deep.key": 1}
SETTINGS = settings(max_examples=300, deadline=None, derandomize=True)


def answer(setting: str) -> dict[str, Scalar] | str:
    """Return what a setting changes, or why it is refused; any other error is a defect."""
    try:
        return overrides(DEFAULTS, None, [setting])
    except UsageError as error:
        return error.what


@SETTINGS
@given(st.sampled_from(sorted(DEFAULTS)), st.text(max_size=60))
def test_a_value_is_of_its_defaults_type_or_refused(key: str, text: str) -> None:
    """What is accepted has exactly the default's type; what is not is told with the key."""
    found = answer(f"{key}={text}")
    assert key in found
    assert isinstance(found, str) or type(found[key]) is type(DEFAULTS[key])


@SETTINGS
@given(st.text(max_size=60))
def test_any_setting_is_answered(setting: str) -> None:
    """Never a traceback; nothing is set that the app does not know."""
    found = answer(setting)
    assert found.startswith(f"--set {setting}: ") if isinstance(found, str) else set(found) <= set(DEFAULTS)


@SETTINGS
@given(st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=30))
def test_what_toml_writes_is_read_back(value: Scalar) -> None:
    """A value that a TOML writer wrote arrives as it was, of the same type."""
    import tomli_w

    written = tomli_w.dumps({"value": value}).partition("=")[2].strip()
    found = parse(written, value)
    assert type(found) is type(value)
    assert found == value or (isinstance(value, float) and math.isnan(value))


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 10_000, "{a=" * 50_000, "\0", '"', "'''"])
def test_hostile_values_are_strings(text: str) -> None:
    """What a TOML reader would choke on is plain text, and refused where a number is wanted."""
    assert parse(text, "default") == text
    with pytest.raises(UsageError, match="count must be an integer"):
        overrides(DEFAULTS, None, [f"count={text}"])
    assert type(parse(text, None)) in KINDS


def test_a_deep_file_is_refused(tmp_path: Path) -> None:
    """A config file of lists in lists is told by its name."""
    (tmp_path / "c.toml").write_text("a = " + "[" * 100_000)
    with pytest.raises(UsageError, match=r"c\.toml: "):
        overrides(DEFAULTS, tmp_path / "c.toml", [])
