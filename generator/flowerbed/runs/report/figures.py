"""How figures are shown: short and aligned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from flowerbed.flower.figures import Number
from flowerbed.runs.metrics.model import Metrics, Round

Source = Literal["server", "train", "evaluate"]
SOURCES: tuple[Source, ...] = ("server", "train", "evaluate")
# Whose figures they are, in a reader's words.
SOURCE_WORDS = {
    "server": "server",
    "train": "nodes, training",
    "evaluate": "nodes, evaluation",
}
# Metrics by what people look at first; other names follow in the order of the log.
_FIRST = ("acc", "loss")


@dataclass(frozen=True, slots=True)
class Column:
    """A metric of one source over the rounds; `values` by round."""

    source: Source
    name: str
    values: dict[int, Number]


def columns(metrics: Metrics) -> list[Column]:
    """Return every metric of every source, accuracy first, then loss, then as the log has them."""
    found: dict[tuple[Source, str], dict[int, Number]] = {}
    for source in SOURCES:
        for entry in metrics.rounds:
            for name, value in of_source(entry, source).items():
                found.setdefault((source, name), {})[entry.number] = value
    ordered = sorted(found, key=lambda key: (SOURCES.index(key[0]), rank(key[1])))
    return [Column(source, name, found[source, name]) for source, name in ordered]


def of_source(entry: Round, source: Source) -> dict[str, Number]:
    """Return one source's figures of a round."""
    return {"server": entry.server, "train": entry.train, "evaluate": entry.evaluate}[source]


def rank(name: str) -> int:
    """Return where a metric stands among others: accuracies, losses, the rest."""
    return next((place for place, word in enumerate(_FIRST) if word in name.lower()), len(_FIRST))


def number(value: Number) -> str:
    """Return a figure in at most ten characters: `0.9722`, `1,437`, `2.31e-05`, `nan`."""
    if isinstance(value, int):
        return f"{value:,}" if abs(value) < 10**7 else f"{value:.3e}"
    if not math.isfinite(value) or value == 0:
        return str(value).removesuffix(".0")
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 else f"{value:.2e}"


def duration(seconds: float) -> str:
    """Return a time in words: `1.2 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def size(count: int) -> str:
    """Return a number of bytes in words: `12 B`, `3.4 kB`, `1.2 GB`."""
    if count < 1000:
        return f"{count} B"
    power = min(len(str(count)) - 1, 14) // 3
    return f"{count / 1000**power:.1f} {'_kMGT'[power]}B"


def moment(iso: str) -> str:
    """Return an ISO 8601 time in UTC, to the second, as people write it: `2026-01-31 08:00:00 UTC`."""
    return datetime.fromisoformat(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if iso else ""
