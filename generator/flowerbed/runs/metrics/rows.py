"""The rounds of a run as flat rows, for `pandas.DataFrame(rows)` and its like."""

from __future__ import annotations

from flowerbed.flower.figures import Number
from flowerbed.runs.metrics.model import Metrics, Round


def rows(metrics: Metrics) -> list[dict[str, Number]]:
    """Return a dictionary for each round, in order.

    Keys: `round`; `train.NAME` and `evaluate.NAME`, the nodes' figures as the strategy aggregated them;
    `server.NAME`, the ServerApp's own; and of each phase whose replies are known `replies.train.results`,
    `replies.train.failures` and `replies.train.missing` (`replies.evaluate.` likewise).
    """
    return [_row(one) for one in metrics.rounds]


def _row(one: Round) -> dict[str, Number]:
    found: dict[str, Number] = {"round": one.number}
    for source, figures in (("train", one.train), ("evaluate", one.evaluate), ("server", one.server)):
        found |= {f"{source}.{name}": value for name, value in figures.items()}
    for phase, replies in (("train", one.train_replies), ("evaluate", one.evaluate_replies)):
        if replies:
            counts = {"results": replies.results, "failures": replies.failures, "missing": replies.missing}
            found |= {f"replies.{phase}.{name}": count for name, count in counts.items()}
    return found
