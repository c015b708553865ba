"""The grid of a sweep: lists and ranges of values, their order, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowerbed.errors import UsageError
from flowerbed.flower.app.run_config import Scalar
from flowerbed.runs.sweeps.grid import axes, check, combinations

DEFAULTS: dict[str, Scalar] = {"lr": 0.1, "seed": 1, "deep": False, "kind": "mean", "model.depth": 2}


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("lr=0.01,0.1", ["0.01", "0.1"]),
        ("lr = 0.01 , 0.1", ["0.01", "0.1"]),
        ("seed=1..3", ["1", "2", "3"]),
        ("seed=-1..1,7", ["-1", "0", "1", "7"]),
        ("seed=5..5", ["5"]),
        ('kind="a,b",c', ['"a,b"', "c"]),
        ("kind=it's,b", ["it's", "b"]),
        ('kind="",x', ['""', "x"]),
        ("kind=../data,x", ["../data", "x"]),
        ('kind="1..3"', ['"1..3"']),
        ("model={depth=4, wide=[1,2]},{depth=5}", ["{depth=4, wide=[1,2]}", "{depth=5}"]),
        ("url=a=b,c", ["a=b", "c"]),
    ],
)
def test_values(setting: str, values: list[str]) -> None:
    """Commas separate, but not inside quotes and brackets; two integers are a range."""
    [axis] = axes([setting])
    assert list(axis.values) == values


def test_the_order_is_that_of_the_options() -> None:
    """The last key changes fastest; equal input gives an equal grid."""
    found = combinations(axes(["lr=0.2,0.1", "seed=1..2"]))
    assert found == [
        ("lr=0.2", "seed=1"),
        ("lr=0.2", "seed=2"),
        ("lr=0.1", "seed=1"),
        ("lr=0.1", "seed=2"),
    ]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["lr="], "a value is empty"),
        (["lr"], "write KEY=VALUE"),
        (["lr=0.1,,0.2"], "a value is empty"),
        (["lr=0.1,0.1"], "0.1 occurs twice"),
        (["lr=0.1", "lr=0.2"], "lr is set before"),
        (["lr=0.1..0.5"], "a range has two integers"),
        (["seed=3..1"], "ends before it begins"),
        (["seed=1..999999999999"], "has 999,999,999,999 values"),
        (["seed=1..100", "lr=1,2,3,4,5,6,7,8,9,10,11"], "1,100 runs are more than the limit of 1,000"),
    ],
)
def test_what_is_no_grid(settings: list[str], words: str) -> None:
    """The refusal names the option."""
    with pytest.raises(UsageError, match="(?s)" + words.replace("..", r"\.\.")):
        axes(settings)


def test_more_runs_on_request() -> None:
    """A higher limit is a word of its own."""
    assert len(combinations(axes(["seed=1..1100"], 1100))) == 1100


def test_every_value_is_checked(tmp_path: Path) -> None:
    """All unknown keys and wrong types are told at once, each once; the file's as well."""
    file = tmp_path / "more.toml"
    file.write_text("nothing = 1\n")
    check(axes(["lr=0.1,1", "seed=1..3", "deep=true,false", "kind=a,3"]), DEFAULTS)
    with pytest.raises(UsageError) as caught:
        check(axes(["lr=0.1,x,y", "sed=1..2", "seed=1.5"]), DEFAULTS, file)
    lines = caught.value.what.splitlines()
    assert [line for line in lines if "lr must be a number" in line and ("'x'" in line or "'y'" in line)]
    assert sum("did you mean 'seed'" in line for line in lines) == 2
    assert any("seed must be an integer" in line for line in lines)
    assert sum("nothing" in line for line in lines) == 1
    with pytest.raises(UsageError, match=r"model\.depth is set by two"):
        check(axes(["model={depth=4}", "model.depth=1,2"]), DEFAULTS)
