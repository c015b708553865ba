"""The report as one HTML file: nothing from the network, no script but its own, strangers' text escaped."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from flowerbed import __version__
from flowerbed.flower.runs import plain
from flowerbed.flower.text import harmless, printable
from flowerbed.runs.metrics.model import Metrics, Replies, Round
from flowerbed.runs.report.chart import HEIGHT, WIDTH, charts
from flowerbed.runs.report.figures import (
    SOURCE_WORDS,
    SOURCES,
    Column,
    columns,
    duration,
    moment,
    number,
    rank,
    size,
)
from flowerbed.runs.report.model import Report, computing, rounds_in_words
from flowerbed.runs.report.text import answers

if TYPE_CHECKING:
    from jinja2 import Template

# Of so many failures the page shows each; more would drown the rest.
FAILURE_LIMIT = 100
LOG_LIMIT = 10_000  # lines on a page
_SOURCE_WORDS = {
    "kind": "kind",
    "location": "from",
    "ref": "branch, tag or commit asked for",
    "commit": "commit",
    "path": "folder",
    "sha256": "SHA-256",
}
_OUTCOMES = {"completed": "good", "failed": "bad", "stopped": "bad"}


def render_page(report: Report, log: str = "") -> str:
    """Return the whole page, with the log if it is given. Equal input gives equal pages."""
    all_columns = columns(report.metrics)
    return template("page.html.j2").render(
        report=report,
        run=report.run,
        metrics=report.metrics,
        title=f"Run {report.run.run_id} of {report.run.fab_id}",
        mood=mood(report.run.outcome),
        facts=_facts(report, all_columns),
        charts=charts(all_columns),
        groups=[
            (SOURCE_WORDS[source], _of(source, all_columns)) for source in SOURCES if _of(source, all_columns)
        ],
        columns=all_columns,
        phases=_phases(report.metrics),
        labels=sorted({label for one in report.nodes for label in one.labels}),
        examples=_examples(report),
        tenants=any(one.tenant for one in report.nodes),
        seconds=sum(wait.seconds or 0 for wait in report.stages),
        names={one.node: one.name for one in report.nodes if one.name},
        failures=report.metrics.failures[:FAILURE_LIMIT],
        log_end=[_Verbatim(harmless(line)) for line in report.log_end],
        log=_log(log),
        script=_script(),
        source=_source(report),
        submission=_submission(report),
        version=__version__,
        size=(WIDTH, HEIGHT),
    )


def mood(outcome: str) -> str:
    """Return whether a run's outcome is good, bad, or open."""
    return _OUTCOMES.get(outcome, "open")


def _source(report: Report) -> list[tuple[str, str]]:
    """Return what is known of the app's source, in words; nothing where there is no record of it."""
    if report.source is None:
        return []
    found, tree = msgspec.structs.asdict(report.source), report.source.tree
    rows = [(words, found[key]) for key, words in _SOURCE_WORDS.items() if found[key]]
    if tree:
        changes = {True: f"yes, in {tree.diff or 'files'}", False: "none", None: "not known"}[tree.dirty]
        rows += [
            ("branch", tree.branch),
            ("remote", tree.remote),
            ("changes", changes),
            ("problem", tree.problem),
        ]
    return [(words, value) for words, value in rows if value]


def _submission(report: Report) -> list[tuple[str, str]]:
    """Return how the run was submitted, in words; nothing where there is no record of it."""
    rows = [("name", report.name), ("tags", ", ".join(report.tags)), ("note", report.note)]
    if known := report.environment:
        rows += [
            ("command", " ".join(map(shlex.quote, report.command))),
            ("submitted with", known.versions),
            ("submitted on", ", ".join(filter(None, (known.host, known.platform)))),
        ]
    return [(words, value) for words, value in rows if value]


def _script() -> tuple[str, str]:
    """Return the page's one script and its hash for the page's content security policy."""
    text = (Path(__file__).parent / "search.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return _Verbatim(text), _Verbatim(f"sha256-{digest}")


def _log(log: str) -> list[str]:
    # The end of a log says most; a part of an artifact says nothing to a reader.
    lines = [line for line in log.splitlines() if not plain(line).startswith("artifact {")]
    return [_Verbatim(harmless(plain(line))) for line in lines[-LOG_LIMIT:]]


def _of(source: str, all_columns: list[Column]) -> list[Column]:
    return [column for column in all_columns if column.source == source]


def _phases(metrics: Metrics) -> list[tuple[str, Callable[[Round], Replies | None]]]:
    """Return the phases of a round that anybody answered in: a word, and how to get at the answers."""
    phases: list[tuple[str, Callable[[Round], Replies | None]]] = [
        ("training", lambda entry: entry.train_replies),
        ("evaluation", lambda entry: entry.evaluate_replies),
    ]
    answered = [phase for phase in phases if any(phase[1](entry) for entry in metrics.rounds)]
    return answered or phases[:1]


def _facts(report: Report, all_columns: list[Column]) -> list[tuple[str, str, bool]]:
    """Return what to know at a glance: a name, its value, and whether it is bad news."""
    metrics = report.metrics
    facts = [_last(column) for column in _headlines(all_columns)]
    if done := rounds_in_words(report):
        facts.append(("rounds", done))
    if report.nodes:
        facts.append(("nodes", str(len(report.nodes))))
    if examples := _examples(report):
        facts.append(("examples", number(examples)))
    if times := [
        wait.seconds for wait in report.stages if wait.stage == "running" and wait.seconds is not None
    ]:
        facts.append(("training time", duration(times[0])))
    if report.run.bytes_sent:
        facts += [
            ("computing", computing(report)),
            ("sent to nodes", size(report.run.bytes_sent)),
            ("received", size(report.run.bytes_received)),
        ]
    missing = sum(
        replies.missing for _, of in _phases(metrics) for entry in metrics.rounds if (replies := of(entry))
    )
    failures = [("failures of nodes", number(len(metrics.failures)), True)] if metrics.failures else []
    failures += [("replies missing", number(missing), True)] if missing else []
    return failures + [(name, value, False) for name, value in facts]


def _examples(report: Report) -> int:
    return sum(one.examples or 0 for one in report.nodes)


def _headlines(all_columns: list[Column]) -> list[Column]:
    # The server's accuracy and loss, or whatever comes first: one column a name.
    by_name: dict[int, Column] = {}
    for column in all_columns:
        by_name.setdefault(rank(column.name), column)
    return [by_name[place] for place in sorted(by_name)][:2]


def _last(column: Column) -> tuple[str, str]:
    at, value = list(column.values.items())[-1]
    return f"{printable(column.name)}, round {at}", number(value)


def template(name: str) -> Template:
    """Return a page's template: strangers' text escaped and made harmless, undefined names an error."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("flowerbed.runs.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(number=number, duration=duration, answers=answers, moment=moment)
    return environment.get_template(name)


class _Verbatim(str):
    """Text whose spaces count; it has been made harmless, and is escaped like any other."""


def _shown(value: Any) -> Any:  # noqa: ANN401  (Jinja hands over whatever an expression gives)
    return printable(value) if type(value) is str else value
