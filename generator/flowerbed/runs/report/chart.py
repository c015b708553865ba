"""The geometry of a line chart: a metric over the rounds, one line a source. The template draws it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from flowerbed.flower.figures import Number
from flowerbed.runs.report.figures import SOURCE_WORDS, Column, number, rank

# In the units of the drawing; the page stretches it to the space that there is.
WIDTH, HEIGHT = 440, 264
LEFT, RIGHT, TOP, BOTTOM = 44, 388, 20, 226
LABEL_HEIGHT = 14
# Of so many rounds each value is written beside its point; of more, the last one only.
LABELLED_ROUNDS = 8
MARKED_ROUNDS = 60
CHART_LIMIT = 6
# Figures beyond this are shown in the table but not drawn.
_DRAWN = 1e100


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on the drawing with what is written there."""

    x: float
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Curve:
    """What a line shows: figures by round, whose they are in words, and the line's class on the page."""

    style: str
    words: str
    values: dict[int, Number]


@dataclass(frozen=True, slots=True)
class Line:
    """A curve: an SVG path, a mark with its full label per point, and what stands at its end."""

    style: str
    words: str
    path: str
    points: tuple[Mark, ...]
    end: Mark


@dataclass(frozen=True, slots=True)
class Chart:
    """A metric's curves with their axes; `description` says the same in words."""

    name: str
    description: str
    lines: tuple[Line, ...]
    values: tuple[Mark, ...]
    x_ticks: tuple[Mark, ...]
    y_ticks: tuple[Mark, ...]
    marked: bool


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 1)


def charts(columns: list[Column]) -> list[Chart]:
    """Return a chart for each metric that has something to draw, accuracies and losses first."""
    by_name: dict[str, list[Curve]] = {}
    for column in sorted(columns, key=lambda column: rank(column.name)):
        curve = Curve(column.source, SOURCE_WORDS[column.source], column.values)
        by_name.setdefault(column.name, []).append(curve)
    return overlays(by_name, labelled=True)[:CHART_LIMIT]


def overlays(curves: Mapping[str, list[Curve]], *, labelled: bool = False) -> list[Chart]:
    """Return a chart for each title whose curves have something to draw; `labelled`: values beside points."""
    drawn = {title: [one for one in map(_drawable, found) if one.values] for title, found in curves.items()}
    return [_chart(title, found, labelled=labelled) for title, found in drawn.items() if found]


def _drawable(curve: Curve) -> Curve:
    return replace(curve, values={at: value for at, value in curve.values.items() if abs(value) < _DRAWN})


def _chart(name: str, curves: list[Curve], *, labelled: bool) -> Chart:
    rounds = sorted({at for curve in curves for at in curve.values})
    y_values = _ticks(*_range([value for curve in curves for value in curve.values.values()]), whole=False)
    x_values = _ticks(rounds[0], max(rounds[-1], rounds[0] + 1), whole=True)
    x = _Scale(rounds[0], max(rounds[-1], rounds[0] + 1), LEFT + 8, RIGHT - 8)
    y = _Scale(y_values[0], y_values[-1], BOTTOM, TOP)
    return Chart(
        name=name,
        description="; ".join(_describe(curve) for curve in curves),
        lines=tuple(_spread([_line(curve, x, y) for curve in curves])),
        values=_values(curves, x, y) if labelled and len(rounds) <= LABELLED_ROUNDS else (),
        x_ticks=tuple(Mark(x(at), BOTTOM, f"{at:.0f}") for at in x_values if at <= rounds[-1]),
        y_ticks=tuple(Mark(LEFT, y(at), _tick_label(at, y_values[1] - y_values[0])) for at in y_values),
        marked=len(rounds) <= MARKED_ROUNDS,
    )


def _line(curve: Curve, x: _Scale, y: _Scale) -> Line:
    steps, points, last = [], [], None
    for at, value in curve.values.items():
        # A round without a figure leaves a gap.
        steps.append(f"{'L' if last is not None and at == last + 1 else 'M'}{x(at)} {y(value)}")
        points.append(Mark(x(at), y(value), f"round {at}: {number(value)}"))
        last = at
    end = Mark(RIGHT, points[-1].y, number(list(curve.values.values())[-1]))
    return Line(curve.style, curve.words, " ".join(steps), tuple(points), end)


def _values(curves: list[Curve], x: _Scale, y: _Scale) -> tuple[Mark, ...]:
    """Return the first source's values, each on the side of its point where no other line runs."""
    first, *others = curves
    shown = list(first.values.items())[:-1]  # the last value stands at the end of the line already
    marks = []
    for at, value in shown:
        crowded = any(other.values.get(at, value) > value for other in others)
        marks.append(Mark(x(at), y(value) + (17 if crowded else -9), number(value)))
    return tuple(marks)


def _spread(lines: list[Line]) -> list[Line]:
    """Move the labels at the lines' ends apart where they would cover each other, within the drawing."""
    order = sorted(range(len(lines)), key=lambda index: lines[index].end.y)
    places = [lines[index].end.y for index in order]
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + LABEL_HEIGHT)
    places[-1] = min(places[-1], BOTTOM)
    for index in reversed(range(len(places) - 1)):
        places[index] = min(places[index], places[index + 1] - LABEL_HEIGHT)
    moved = dict(zip(order, places, strict=True))
    return [replace(line, end=replace(line.end, y=moved[index])) for index, line in enumerate(lines)]


def _describe(curve: Curve) -> str:
    first, last = next(iter(curve.values)), list(curve.values)[-1]
    start, end = number(curve.values[first]), number(curve.values[last])
    return f"{curve.words}: {start} in round {first}, {end} in round {last}"


def _range(values: list[Number]) -> tuple[float, float]:
    low, high = float(min(values)), float(max(values))
    if high - low <= max(abs(high), abs(low)) * 1e-9 or high - low < 1 / _DRAWN:
        half = abs(high) / 10 or 1.0
        low, high = low - half, high + half
    # An axis from zero is the honest one, unless it would press the curve flat.
    return (0.0 if 0 <= low < high / 2 else low), high


def _ticks(low: float, high: float, *, whole: bool) -> list[float]:
    """Return round numbers from at or below `low` to at or above `high`; from `low` itself if `whole`."""
    step = _nice((high - low) / (8 if whole else 4))
    if whole:
        step = max(1.0, math.ceil(step))
        return [low + index * step for index in range(int((high - low) / step) + 1)]
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def _nice(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return power * next(factor for factor in (1, 2, 2.5, 5, 10) if step <= power * factor * (1 + 1e-9))


def _tick_label(value: float, step: float) -> str:
    if abs(value) < 1e5 and step >= 1e-4:
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        exact = decimals if math.isclose(step * 10**decimals, round(step * 10**decimals)) else decimals + 1
        return f"{value:.{exact}f}"
    return f"{value:.2e}"
