"""The table of rounds for a terminal."""

from __future__ import annotations

from flowerbed.flower.text import printable
from flowerbed.runs.metrics.model import Replies, Round
from flowerbed.runs.report.figures import Column, columns, duration, number, size
from flowerbed.runs.report.model import Report, computing
from flowerbed.runs.report.participants import Participant

# More metrics than this make lines that no terminal shows; the page and the JSON have them all.
COLUMN_LIMIT = 8
_WORDS = {"server": "server", "train": "training", "evaluate": "evaluation"}


def render_text(report: Report) -> str:
    """Return the outcome, the rounds and who took part, each as aligned text."""
    parts = ["\n".join(_head(report)), _rounds(report), _participants(report)]
    return "\n\n".join(part for part in parts if part)


def _head(report: Report) -> list[str]:
    run = report.run
    lines = [f"run {run.run_id}: {run.outcome}"]
    if run.details:
        lines.append(f"  {printable(run.details)}")
    lines += [f"  {printable(remark)}" for remark in report.remarks]
    labels = [report.name, *(f"#{tag}" for tag in report.tags), report.note]
    lines += [printable(" ".join(filter(None, labels)))] * any(labels)
    lines.append(f"app {printable(run.fab_id)} {printable(run.fab_version)}, FAB {run.fab_hash[:8]}")
    if source := report.source:
        changes = " with changes" if source.tree and source.tree.dirty else ""
        commit = f", commit {source.commit}{changes}" if source.commit else ""
        lines.append(f"source {printable(source.location)}{printable(commit)}")
    if known := report.environment:
        lines.append(printable(f"submitted with {known.versions} on {known.host}"))
    stages = ", ".join(f"{wait.stage} {_lasted(wait.seconds)}" for wait in report.stages)
    lines += [stages] * bool(stages)
    if run.bytes_sent and (took := computing(report)):
        sent, received = size(run.bytes_sent), size(run.bytes_received)
        lines.append(f"computing {took}, {sent} sent to nodes, {received} received")
    if report.overrides:
        lines.append(
            "set: " + printable(", ".join(f"{key}={value}" for key, value in report.overrides.items()))
        )
    return lines


def _lasted(seconds: float | None) -> str:
    return "until now" if seconds is None else duration(seconds)


def _rounds(report: Report) -> str:
    metrics = report.metrics
    if not metrics.rounds:
        return "The log contains no rounds."
    all_columns = columns(metrics)
    shown = all_columns[:COLUMN_LIMIT]
    table = [
        ["", *_source_words(shown), ""],
        ["round", *(printable(column.name) for column in shown), "answers"],
    ]
    table += [_row(entry, shown) for entry in metrics.rounds]
    rest = len(all_columns) - len(shown)
    return aligned(table) + (f"\nand {rest} more metrics, which the page and --json show" if rest else "")


def _row(entry: Round, shown: list[Column]) -> list[str]:
    values = (column.values.get(entry.number) for column in shown)
    figures = ["" if value is None else number(value) for value in values]
    return [str(entry.number), *figures, answers(entry.train_replies or entry.evaluate_replies)]


def answers(replies: Replies | None) -> str:
    """Return `4 of 4`: how many of the nodes asked gave a result."""
    return f"{replies.results} of {replies.results + replies.failures + replies.missing}" if replies else ""


def _source_words(shown: list[Column]) -> list[str]:
    sources = [column.source for column in shown]
    return [
        _WORDS[source] if place == 0 or sources[place - 1] != source else ""
        for place, source in enumerate(sources)
    ]


def _participants(report: Report) -> str:
    if not report.nodes:
        return ""
    table = [["node", "tenant", "examples", "rounds", "failures", "missing"]]
    table += [_participant(one) for one in report.nodes]
    return aligned(table, left=2)


def _participant(one: Participant) -> list[str]:
    examples = "" if one.examples is None else number(one.examples)
    rounds = str(len(one.rounds)) if one.rounds else ""
    return [
        printable(one.name or one.node),
        printable(one.tenant),
        examples,
        rounds,
        str(one.failures),
        str(one.missing),
    ]


def aligned(table: list[list[str]], left: int = 0) -> str:
    """Return rows as text: the first `left` columns hold words, the others figures."""
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    lines = (
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    )
    return "\n".join(line.rstrip() for line in lines)
