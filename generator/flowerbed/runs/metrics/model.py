"""The figures of a run: as plain data, and as flat rows for `pandas.DataFrame(rows)` and its like."""

from __future__ import annotations

from typing import Literal

import msgspec

from flowerbed.flower.figures import Number

Phase = Literal["train", "evaluate"]
Scalar = bool | int | float | str


class Replies(msgspec.Struct, frozen=True):
    """What came back in one phase of a round: answers with a result, and answers that were an error.

    `missing` counts the nodes that were asked and did not answer; while the phase goes on it is 0.
    """

    results: int
    failures: int
    missing: int = 0


class Round(msgspec.Struct, frozen=True):
    """One round; round 0 is the evaluation before the first.

    `train` and `evaluate` hold the nodes' figures as the strategy averaged them, `server` those of the
    ServerApp itself.
    """

    number: int
    train: dict[str, Number]
    evaluate: dict[str, Number]
    server: dict[str, Number]
    train_replies: Replies | None
    evaluate_replies: Replies | None


class NodeFigures(msgspec.Struct, frozen=True):
    """What one node did in one round, as the app told; `node` is Flower's node id in decimal."""

    round: int
    node: str
    examples: int | None
    figures: dict[str, Number]
    labels: dict[str, str]


class Failure(msgspec.Struct, frozen=True):
    """One node's error in one phase; `reason` is the first line of Flower's words."""

    round: int
    phase: Phase
    node: str
    reason: str


class Metrics(msgspec.Struct, frozen=True):
    """All that a log says.

    `planned` is the number of rounds announced, `trainings` how often a strategy began: when an app trains
    more than once in a run, everything here but `config` is of the last training. `ended` says that the log
    has the end of that.
    """

    strategy: str
    planned: int | None
    trainings: int
    rounds: tuple[Round, ...]
    nodes: tuple[NodeFigures, ...]
    failures: tuple[Failure, ...]
    config: dict[str, Scalar]
    ended: bool = False


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
