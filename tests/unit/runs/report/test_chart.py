"""The geometry of the curves."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest

from flowerbed.runs.report.chart import (
    BOTTOM,
    CHART_LIMIT,
    HEIGHT,
    LABEL_HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Chart,
    charts,
)
from flowerbed.runs.report.figures import Column, Source


def column(values: dict[int, float], source: Source = "server", name: str = "loss") -> Column:
    return Column(source, name, values)


def one(*columns: Column) -> Chart:
    [chart] = charts(list(columns))
    return chart


def test_points_stand_where_their_values_are() -> None:
    """Values are placed linearly between the ticks of both axes."""
    chart = one(column({0: 0.0, 1: 5.0, 2: 10.0}))
    [line] = chart.lines
    assert [point.y for point in line.points] == [BOTTOM, (TOP + BOTTOM) / 2, TOP]
    left, middle, right = (point.x for point in line.points)
    assert middle - left == pytest.approx(right - middle)
    ticks = {tick.label: tick.y for tick in chart.y_ticks}
    assert ticks["0.0"] == BOTTOM
    assert ticks["10.0"] == TOP
    assert [tick.label for tick in chart.x_ticks] == ["0", "1", "2"]


def test_a_round_without_a_figure_leaves_a_gap() -> None:
    """The line is broken where a value is missing or not finite."""
    chart = one(column({1: 1.0, 2: 2.0, 3: math.nan, 4: 3.0, 6: 1.0, 7: math.inf}))
    assert [step[0] for step in chart.lines[0].path.split(" ") if step[0] in "ML"] == ["M", "L", "M", "M"]


@pytest.mark.parametrize("values", [{1: math.nan}, {1: math.inf, 2: -math.inf}, {1: 1e200}, {}])
def test_what_cannot_be_drawn_is_not(values: dict[int, float]) -> None:
    """A metric without a single drawable value has no chart."""
    assert charts([column(values)]) == []


def test_values_are_labelled_on_short_runs_only() -> None:
    """Up to eight rounds each value of the first line is written, the last one at its end."""
    short = one(column({at: float(at) for at in range(8)}))
    assert [mark.label for mark in short.values][:2] == ["0", "1.0000"]
    assert len(short.values) == 7
    assert short.lines[0].end.label == "7.0000"
    assert one(column({at: float(at) for at in range(9)})).values == ()


def test_labels_keep_clear_of_other_lines() -> None:
    """Labels stand below a point where another line runs above it, and above it otherwise."""
    below = one(column({1: 0.5, 2: 0.6}), column({1: 0.9, 2: 0.9}, "train"))
    above = one(column({1: 0.5, 2: 0.6}), column({1: 0.1, 2: 0.1}, "train"))
    assert below.values[0].y > below.lines[0].points[0].y
    assert above.values[0].y < above.lines[0].points[0].y


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_labels_at_the_ends_do_not_cover_each_other(level: float) -> None:
    """Three lines that end together have their last values apart, within the drawing."""
    sources: tuple[Source, ...] = ("server", "train", "evaluate")
    chart = one(*(column({1: 0.0, 2: 1.0, 3: level}, source) for source in sources))
    places = sorted(line.end.y for line in chart.lines)
    assert all(after - before >= LABEL_HEIGHT for before, after in pairwise(places))
    assert places[0] >= 0
    assert places[-1] <= BOTTOM + 3 * LABEL_HEIGHT < HEIGHT + LABEL_HEIGHT


def test_accuracy_and_loss_come_first() -> None:
    """Of many metrics six are drawn, accuracies and losses before the rest."""
    names = [*(f"m{index}" for index in range(9)), "train_loss", "eval_acc"]
    drawn = charts([column({1: 1.0, 2: 2.0}, name=name) for name in names])
    assert [chart.name for chart in drawn[:3]] == ["eval_acc", "train_loss", "m0"]
    assert len(drawn) == CHART_LIMIT


@pytest.mark.parametrize("seed", range(300))
def test_any_curve_stays_within_its_axes(seed: int) -> None:
    """Whatever the values and rounds, points lie within the axes, and the axes have a few round ticks."""
    chance = random.Random(seed)
    scale = 10 ** chance.uniform(-12, 12)
    rounds = sorted(chance.sample(range(chance.choice([5, 50, 10**6])), chance.randint(1, 5)))
    chart = one(
        column({at: chance.choice([chance.uniform(-1, 1), chance.random(), 0.5]) * scale for at in rounds})
    )
    for line in chart.lines:
        assert all(LEFT <= point.x <= RIGHT and TOP <= point.y <= BOTTOM for point in line.points)
        assert line.end.x + 7 * len(line.end.label) <= WIDTH + 25
    assert 2 <= len(chart.y_ticks) <= 8
    assert 1 <= len(chart.x_ticks) <= 10
    assert len({tick.label for tick in chart.y_ticks}) == len(chart.y_ticks)
