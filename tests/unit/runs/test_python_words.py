"""Errors in the words of a Python caller."""

from __future__ import annotations

import pytest

from flowerbed.errors import UsageError
from flowerbed.runs.python_words import in_python, spoken


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("--set lr=0.5: the app has no lr", 'settings={"lr": 0.5}: the app has no lr'),
        ("--set 'tag=three': not a number", 'settings={"tag": "three"}: not a number'),
        ("or give --set on=true", 'or give settings={"on": True}'),
        ("declare it, or give --set lr=VALUE", 'declare it, or give settings={"lr": VALUE}'),
        ("--fix uses a corrected copy", "fix=True uses a corrected copy"),
        ("--username without --token-file", "Request.username without Request.token_file"),
        ("`flowerbed runs` lists them", "Federation.runs() lists them"),
        ("--fixed and --path-like stay", "--fixed and --path-like stay"),
    ],
)
def test_options_become_arguments(text: str, wanted: str) -> None:
    """Whole options are replaced, with their values as Python writes them."""
    assert spoken(text) == wanted


def test_an_error_keeps_its_kind_and_place() -> None:
    """What is raised is the same error, in other words."""
    error = UsageError("--set lr=1: unknown", where="my-app", remedy="use --fix")
    with pytest.raises(UsageError) as caught, in_python():
        raise error
    assert caught.value is error
    assert str(error) == 'my-app: settings={"lr": 1}: unknown\n  use fix=True'
    assert error.args == ('settings={"lr": 1}: unknown',)
