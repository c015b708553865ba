"""Several runs side by side: a table of what they are, overlaid curves of what they reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from flowerbed import __version__
from flowerbed.flower.text import printable
from flowerbed.runs.report.chart import HEIGHT, WIDTH, Chart, Curve, overlays
from flowerbed.runs.report.comparison import Comparison, Figure, labels
from flowerbed.runs.report.figures import SOURCE_WORDS, duration, moment, number, size
from flowerbed.runs.report.model import Report, computing, rounds_in_words
from flowerbed.runs.report.overview import (
    CELL,
    LEGEND,
    Cell,
    config_value,
    figure_cells,
    marked,
    render_overview,
)
from flowerbed.runs.report.overview import columns as overview
from flowerbed.runs.report.page import mood, template
from flowerbed.runs.report.text import aligned

# As many lines as can be told apart in one chart; the page has a style for each.
RUN_LIMIT = 8
CHART_LIMIT = 12
PACKAGE_LIMIT = 40


def limited(comparison: Comparison) -> str:
    """Return which runs have curves, as a sentence; "" where all have."""
    count = len(comparison.runs)
    return f"Curves and tables by round show the first {RUN_LIMIT} of {count} runs." * (count > RUN_LIMIT)


def render_comparison(comparison: Comparison, first: str = "", width: int | None = None) -> str:
    """Return a line for each run, then for up to RUN_LIMIT runs all that is known, with a column for each.

    The figure or key `first` is the first of its kind; `width` bounds the lines of the first table.
    """
    names = labels(comparison.runs)
    shown = names if width else [one.run.run_id for one in comparison.runs]
    parts = [render_overview(comparison, shown, first, width)]
    if len(comparison.runs) <= RUN_LIMIT:
        parts += _side_by_side(comparison, names)
    return "\n\n".join(parts)


def _side_by_side(comparison: Comparison, names: list[str]) -> list[str]:
    parts = [_text(["run", *names], _facts(comparison.runs))]
    if comparison.differences:
        parts.append(_text(["run config", *names], _config_rows(comparison)))
    if comparison.packages:
        parts.append(_text(["package", *names], _package_rows(comparison)))
    if comparison.figures:
        parts.append(_text(["last figure", *names], _last_figures(comparison)))
    return parts


def render_comparison_page(comparison: Comparison, first: str = "") -> str:
    """Return the comparison as one HTML page without scripts. Equal input gives equal pages.

    The figure or key `first` is the first of its kind.
    """
    names = labels(comparison.runs)
    few = len(names) <= RUN_LIMIT
    return template("compare.html.j2").render(
        names=names[:RUN_LIMIT],
        count=len(names),
        runs=[
            (f"run{at + 1}", name, report) for at, (name, report) in enumerate(_named(comparison)[:RUN_LIMIT])
        ],
        few=few,
        limited=limited(comparison),
        mood=mood,
        overview=overview(comparison, [one.run.run_id for one in comparison.runs], first),
        limit=RUN_LIMIT,
        legend=LEGEND.partition(" ")[2],
        facts=_facts(comparison.runs) if few else [],
        differences=_config_rows(comparison) if few else [],
        packages=_package_rows(comparison) if few else [],
        charts=_charts(comparison),
        tables=[_table(figure) for figure in comparison.figures],
        size=(WIDTH, HEIGHT),
        version=__version__,
    )


def _named(comparison: Comparison) -> list[tuple[str, Report]]:
    return list(zip(labels(comparison.runs), comparison.runs, strict=True))


def _config_rows(comparison: Comparison) -> list[tuple[str, list[Cell]]]:
    return [(key, marked(list(map(config_value, each)))) for key, each in comparison.differences.items()]


def _package_rows(comparison: Comparison) -> list[tuple[str, list[Cell]]]:
    rows = [(name, marked([one or "" for one in each])) for name, each in comparison.packages.items()]
    more = len(rows) - PACKAGE_LIMIT
    return [*rows[:PACKAGE_LIMIT], *[(f"… {more} more", [Cell("")] * len(comparison.runs))] * (more > 0)]


def _charts(comparison: Comparison) -> list[Chart]:
    names = labels(comparison.runs)
    curves = {
        _title(figure): [
            Curve(f"run{at + 1}", names[at], values)
            for at, values in enumerate(figure.runs[:RUN_LIMIT])
            if values
        ]
        for figure in comparison.figures
    }
    return overlays(curves)[:CHART_LIMIT]


def _title(figure: Figure) -> str:
    return f"{figure.name} ({SOURCE_WORDS[figure.source]})"


def _facts(reports: Sequence[Report]) -> list[tuple[str, list[Cell]]]:
    """Return what runs are: a name, and a value for each run; what no run knows is left out."""
    known: list[tuple[str, Callable[[Report], str]]] = [
        ("name", lambda one: one.name),
        ("outcome", lambda one: one.run.outcome),
        ("reason", lambda one: one.run.details),
        ("remarks", lambda one: "; ".join(one.remarks)),
        ("app", lambda one: f"{one.run.fab_id} {one.run.fab_version}"),
        ("FAB", lambda one: one.run.fab_hash[:8]),
        ("commit", lambda one: one.source.revision if one.source else ""),
        ("submitted", lambda one: moment(one.run.pending_at)),
        ("Flower", lambda one: one.environment.flower if one.environment else ""),
        ("Python", lambda one: one.environment.python if one.environment else ""),
        ("submitted on", lambda one: one.environment.host if one.environment else ""),
        ("training time", _training),
        ("computing", lambda one: computing(one) if one.run.bytes_sent else ""),
        ("sent to nodes", lambda one: size(one.run.bytes_sent) if one.run.bytes_sent else ""),
        ("received", lambda one: size(one.run.bytes_received) if one.run.bytes_sent else ""),
        ("strategy", lambda one: one.metrics.strategy),
        ("rounds done", rounds_in_words),
        ("nodes", lambda one: str(len(one.nodes) or "")),
        ("failures of nodes", lambda one: str(len(one.metrics.failures))),
    ]
    rows = [(name, [value(one) for one in reports]) for name, value in known]
    return [(name, marked(values)) for name, values in rows if any(values)]


def _training(report: Report) -> str:
    times = [wait.seconds for wait in report.stages if wait.stage == "running" and wait.seconds is not None]
    return duration(times[0]) if times else ""


def _last_figures(comparison: Comparison) -> list[tuple[str, list[Cell]]]:
    titles = map(_title, comparison.figures)
    return [(title, cells) for title, (_, cells) in zip(titles, figure_cells(comparison), strict=True)]


def _table(figure: Figure) -> tuple[str, list[tuple[int, list[str]]]]:
    runs = figure.runs[:RUN_LIMIT]
    rounds = sorted({at for each in runs for at in each})
    rows = [(at, [number(each[at]) if at in each else "" for each in runs]) for at in rounds]
    return _title(figure), rows


def _text(head: list[str], rows: Iterable[tuple[str, list[Cell]]]) -> str:
    table = [head, *([name, *map(str, cells)] for name, cells in rows)]
    return aligned([[_short(printable(cell)) for cell in row] for row in table], left=len(head))


def _short(cell: str) -> str:
    return cell if len(cell) <= CELL else f"{cell[: CELL - 1]}…"
