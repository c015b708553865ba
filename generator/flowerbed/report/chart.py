"""The geometry of a line chart: a metric over the rounds, one line a source. The template draws it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from flowerbed.metrics import Number
from flowerbed.report.figures import SOURCE_WORDS, Column, Source, number, rank

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
class Line:
    """One source's curve: an SVG path, a mark with its full label per point, and what stands at its end."""

    source: Source
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
    by_name: dict[str, list[Column]] = {}
    for column in sorted(columns, key=lambda column: rank(column.name)):
        drawn = {at: value for at, value in column.values.items() if abs(value) < _DRAWN}
        if drawn:
            by_name.setdefault(column.name, []).append(Column(column.source, column.name, drawn))
    return [_chart(name, found) for name, found in list(by_name.items())[:CHART_LIMIT]]


def _chart(name: str, columns: list[Column]) -> Chart:
    rounds = sorted({at for column in columns for at in column.values})
    y_values = _ticks(*_range([value for column in columns for value in column.values.values()]), whole=False)
    x_values = _ticks(rounds[0], max(rounds[-1], rounds[0] + 1), whole=True)
    x = _Scale(rounds[0], max(rounds[-1], rounds[0] + 1), LEFT + 8, RIGHT - 8)
    y = _Scale(y_values[0], y_values[-1], BOTTOM, TOP)
    return Chart(
        name=name,
        description="; ".join(_describe(column) for column in columns),
        lines=tuple(_spread([_line(column, x, y) for column in columns])),
        values=_values(columns, x, y) if len(rounds) <= LABELLED_ROUNDS else (),
        x_ticks=tuple(Mark(x(at), BOTTOM, f"{at:.0f}") for at in x_values if at <= rounds[-1]),
        y_ticks=tuple(Mark(LEFT, y(at), _tick_label(at, y_values[1] - y_values[0])) for at in y_values),
        marked=len(rounds) <= MARKED_ROUNDS,
    )


def _line(column: Column, x: _Scale, y: _Scale) -> Line:
    steps, points, last = [], [], None
    for at, value in column.values.items():
        # A round without a figure leaves a gap.
        steps.append(f"{'L' if last is not None and at == last + 1 else 'M'}{x(at)} {y(value)}")
        points.append(Mark(x(at), y(value), f"round {at}: {number(value)}"))
        last = at
    end = Mark(RIGHT, points[-1].y, number(list(column.values.values())[-1]))
    return Line(column.source, SOURCE_WORDS[column.source], " ".join(steps), tuple(points), end)


def _values(columns: list[Column], x: _Scale, y: _Scale) -> tuple[Mark, ...]:
    """Return the first source's values, each on the side of its point where no other line runs."""
    first, *others = columns
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


def _describe(column: Column) -> str:
    first, last = next(iter(column.values)), list(column.values)[-1]
    start, end = number(column.values[first]), number(column.values[last])
    return f"{SOURCE_WORDS[column.source]}: {start} in round {first}, {end} in round {last}"


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
