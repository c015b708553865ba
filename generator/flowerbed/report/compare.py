"""Several runs side by side: a table of what they are, overlaid curves of what they reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from flowerbed import __version__
from flowerbed.metrics import Number, Scalar
from flowerbed.report.chart import HEIGHT, WIDTH, Chart, Curve, overlays
from flowerbed.report.figures import SOURCE_WORDS, Source, columns, duration, moment, number, printable, rank
from flowerbed.report.model import Report
from flowerbed.report.page import mood, template
from flowerbed.report.text import aligned

# As many lines as can be told apart in one chart; the page has a style for each.
RUN_LIMIT = 8
CHART_LIMIT = 12
_ID_SHOWN = 8
_CELL = 36  # of the text; the page has every cell whole


class Figure(msgspec.Struct, frozen=True):
    """A metric of one source in several runs: by run, in their order, figures by round."""

    source: Source
    name: str
    runs: tuple[dict[int, Number], ...]


class Comparison(msgspec.Struct, frozen=True):
    """Reports in the order given; `differences` are the keys of the run config that are not equal in all.

    A key that a run's config does not have, or that nobody recorded, is None there.
    """

    runs: tuple[Report, ...]
    differences: dict[str, tuple[Scalar | None, ...]]
    figures: tuple[Figure, ...]


def compare(reports: Iterable[Report]) -> Comparison:
    """Return a comparison of runs; equal input gives an equal one."""
    found = tuple(reports)
    keys = sorted({key for report in found for key in report.config})
    values = {key: tuple(report.config.get(key) for report in found) for key in keys}
    return Comparison(
        runs=found,
        differences={key: each for key, each in values.items() if any(one != each[0] for one in each)},
        figures=tuple(_figures(found)),
    )


def labels(reports: Sequence[Report]) -> list[str]:
    """Return a short name for each run: the beginning of its id, as long as it takes to tell them apart."""
    ids = [report.run.run_id for report in reports]
    longest = max(map(len, ids))
    size = next(
        (at for at in range(_ID_SHOWN, longest) if len({one[:at] for one in ids}) == len(set(ids))), longest
    )
    return [one[:size] for one in ids]


def render_comparison(comparison: Comparison) -> str:
    """Return the comparison as aligned text: a line a fact, a column a run."""
    names = labels(comparison.runs)
    parts = [_text(["run", *names], _facts(comparison.runs))]
    if comparison.differences:
        rows = [(key, [_config_value(one) for one in each]) for key, each in comparison.differences.items()]
        parts.append(_text(["run config", *names], rows))
    if comparison.figures:
        parts.append(_text(["last figure", *names], _last_figures(comparison)))
    return "\n\n".join(parts)


def render_comparison_page(comparison: Comparison) -> str:
    """Return the comparison as one HTML page without scripts. Equal input gives equal pages."""
    names = labels(comparison.runs)
    return template("compare.html.j2").render(
        names=names,
        runs=[(f"run{at + 1}", name, report) for at, (name, report) in enumerate(_named(comparison))],
        mood=mood,
        facts=_facts(comparison.runs),
        differences=[
            (key, [_config_value(one) for one in each]) for key, each in comparison.differences.items()
        ],
        charts=_charts(comparison),
        figures=_last_figures(comparison),
        tables=[_table(figure) for figure in comparison.figures],
        size=(WIDTH, HEIGHT),
        version=__version__,
    )


def _named(comparison: Comparison) -> list[tuple[str, Report]]:
    return list(zip(labels(comparison.runs), comparison.runs, strict=True))


def _figures(reports: tuple[Report, ...]) -> list[Figure]:
    found: dict[tuple[Source, str], list[dict[int, Number]]] = {}
    for at, report in enumerate(reports):
        for column in columns(report.metrics):
            found.setdefault((column.source, column.name), [{} for _ in reports])[at] = column.values
    ordered = sorted(found, key=lambda key: rank(key[1]))
    return [Figure(source, name, tuple(found[source, name])) for source, name in ordered]


def _charts(comparison: Comparison) -> list[Chart]:
    names = labels(comparison.runs)
    curves = {
        _title(figure): [
            Curve(f"run{at + 1}", names[at], values) for at, values in enumerate(figure.runs) if values
        ]
        for figure in comparison.figures
    }
    return overlays(curves)[:CHART_LIMIT]


def _title(figure: Figure) -> str:
    return f"{figure.name} ({SOURCE_WORDS[figure.source]})"


def _facts(reports: Sequence[Report]) -> list[tuple[str, list[str]]]:
    """Return what runs are: a name, and a value for each run; what no run knows is left out."""
    known: list[tuple[str, Callable[[Report], str]]] = [
        ("outcome", lambda one: one.run.outcome),
        ("reason", lambda one: one.run.details),
        ("app", lambda one: f"{one.run.fab_id} {one.run.fab_version}"),
        ("FAB", lambda one: one.run.fab_hash[:8]),
        ("commit", lambda one: one.source.commit[:12] if one.source else ""),
        ("submitted", lambda one: moment(one.run.pending_at)),
        ("training time", _training),
        ("strategy", lambda one: one.metrics.strategy),
        ("rounds", lambda one: str(sum(entry.number > 0 for entry in one.metrics.rounds))),
        ("nodes", lambda one: str(len(one.participants) or "")),
        ("failures of nodes", lambda one: str(len(one.metrics.failures))),
    ]
    rows = [(name, [value(one) for one in reports]) for name, value in known]
    return [(name, values) for name, values in rows if any(values)]


def _training(report: Report) -> str:
    times = [wait.seconds for wait in report.stages if wait.stage == "running" and wait.seconds is not None]
    return duration(times[0]) if times else ""


def _last_figures(comparison: Comparison) -> list[tuple[str, list[str]]]:
    return [
        (_title(figure), [number(list(each.values())[-1]) if each else "" for each in figure.runs])
        for figure in comparison.figures
    ]


def _table(figure: Figure) -> tuple[str, list[tuple[int, list[str]]]]:
    rounds = sorted({at for each in figure.runs for at in each})
    rows = [(at, [number(each[at]) if at in each else "" for each in figure.runs]) for at in rounds]
    return _title(figure), rows


def _config_value(value: Scalar | None) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(head: list[str], rows: Iterable[tuple[str, list[str]]]) -> str:
    table = [head, *([name, *values] for name, values in rows)]
    return aligned([[_short(printable(cell)) for cell in row] for row in table], left=len(head))


def _short(cell: str) -> str:
    return cell if len(cell) <= _CELL else f"{cell[: _CELL - 1]}…"
