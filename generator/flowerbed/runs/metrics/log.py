"""Reads a ServerApp's log line by line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Literal, TypeGuard

from flowerbed.flower import replies as flower_replies
from flowerbed.flower.figures import NUMBER, Number, as_number, read_history, read_number, read_record
from flowerbed.flower.runs import plain
from flowerbed.runs.metrics.model import Failure, Metrics, NodeFigures, Phase, Replies, Round, Scalar

Source = Literal["train", "evaluate", "server"]


def parse(log: str) -> Metrics:
    """Return what a run's log says. Never fails: a log of other things has no rounds."""
    reader = LogReader()
    reader.feed(log)
    return reader.finish()


class _Draft:
    """A round while its lines come in."""

    def __init__(self) -> None:
        self.figures: dict[Source, dict[str, Number]] = {"train": {}, "evaluate": {}, "server": {}}

    def finish(self, number: int, replies: dict[Phase, Replies]) -> Round:
        return Round(
            number=number,
            train=self.figures["train"],
            evaluate=self.figures["evaluate"],
            server=self.figures["server"],
            train_replies=replies.get("train"),
            evaluate_replies=replies.get("evaluate"),
        )


class LogReader:
    """Where the training stands while its log is read, piece by piece."""

    def __init__(self) -> None:
        self.config: dict[str, Scalar] = {}
        self.replies = flower_replies.Replies()
        self.begin("")

    def feed(self, text: str) -> None:
        """Take whole lines of a log."""
        for line in text.splitlines():
            if len(line) <= flower_replies.LONGEST_LINE:
                self.read(plain(line))
            else:  # of an exception the beginning says enough
                self.replies.read(plain(line[: flower_replies.LONGEST_LINE]))

    def begin(self, strategy: str) -> None:
        """Forget the training before this one."""
        self.strategy = strategy
        self.planned: int | None = None
        self.drafts: dict[int, _Draft] = {}
        self.nodes: dict[tuple[int, str], NodeFigures] = {}
        self.history: tuple[Source, list[str]] | None = None

    def read(self, line: str) -> None:
        """Take one line, without colours and level."""
        self.replies.read(line)
        for pattern, act in _ACTS:
            if match := pattern.match(line):
                self._end_history()
                act(self, match)
                return
        if self.history:
            self.history[1].append(line.strip())

    def add(self, number: int, source: Source, figures: dict[str, Number]) -> None:
        """Put figures into a round."""
        if figures:
            self.draft(number).figures[source].update(figures)

    def draft(self, number: int) -> _Draft:
        """Return the round of this number."""
        return self.drafts.setdefault(number, _Draft())

    def finish(self) -> Metrics:
        """Return all that was read by now. More may follow, but no more of a summary that had begun."""
        self._end_history()
        phases = [one for one in self.replies.counted() if one.training == self.replies.training]
        replies: dict[int, dict[Phase, Replies]] = {}
        for one in phases:
            known = Replies(one.results, one.failures, one.missing)
            replies.setdefault(one.round, {})[one.kind] = known
        return Metrics(
            strategy=self.strategy,
            planned=self.planned,
            trainings=self.replies.training,
            rounds=tuple(
                self.drafts[number].finish(number, replies.get(number, {})) for number in sorted(self.drafts)
            ),
            nodes=tuple(self.nodes.values()),
            failures=tuple(Failure(one.round, one.kind, *error) for one in phases for error in one.errors),
            config=self.config,
            ended=self.replies.ended,
        )

    def _end_history(self) -> None:
        if self.history:
            source, lines = self.history
            for number, figures in read_history(" ".join(lines)).items():
                self.add(number, source, figures)
        self.history = None


def _begin(reader: LogReader, match: re.Match[str]) -> None:
    reader.begin(match["strategy"])


def _begin_older(reader: LogReader, match: re.Match[str]) -> None:
    reader.begin("")
    reader.planned = int(match["rounds"])


def _plan(reader: LogReader, match: re.Match[str]) -> None:
    reader.planned = int(match["rounds"])


def _begin_round(reader: LogReader, match: re.Match[str]) -> None:
    reader.draft(int(match["round"]))


def _average(reader: LogReader, match: re.Match[str]) -> None:
    reader.add(reader.replies.round, reader.replies.kind, read_record(match["record"]))


def _judge(reader: LogReader, match: re.Match[str]) -> None:
    reader.add(reader.replies.round, "server", read_record(match["record"]))


def _judge_older(reader: LogReader, match: re.Match[str]) -> None:
    number = int(match.groupdict().get("round", 0))
    reader.add(number, "server", {"loss": read_number(match["loss"]), **read_record(match["record"])})


def _open_history(reader: LogReader, match: re.Match[str]) -> None:
    if match["where"] == "centralized":
        reader.history = ("server", [])
    else:
        reader.history = ("train" if match["phase"] == "fit" else "evaluate", [])


def _tell(reader: LogReader, match: re.Match[str]) -> None:
    told = _json_object(match["json"])
    number = told.pop("round", reader.replies.round)
    node, examples = told.pop("node", None), told.pop("examples", None)
    if not _is_count(number):
        return
    figures = {name: as_number(value) for name, value in told.items() if _is_number(value)}
    if not isinstance(node, str | int):
        reader.add(number, "server", figures)
        return
    labels = {name: str(value) for name, value in told.items() if isinstance(value, str | bool)}
    counted = examples if _is_count(examples) else None
    reader.nodes[number, str(node)] = NodeFigures(number, str(node), counted, figures, labels)


def _configure(reader: LogReader, match: re.Match[str]) -> None:
    told = _json_object(match["json"])
    reader.config |= {name: value for name, value in told.items() if isinstance(value, Scalar)}


def _pass_over(reader: LogReader, match: re.Match[str]) -> None:
    """A line about replies, which `flower_replies` reads, or an empty one: it ends a summary."""


def _json_object(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _is_number(value: object) -> TypeGuard[Number]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9


_RECORD = r"(?P<record>\{.*)"
_ACTS: tuple[tuple[re.Pattern[str], Callable[[LogReader, re.Match[str]], None]], ...] = tuple(
    (re.compile(pattern), act)
    for pattern, act in (
        # flwr.serverapp.strategy (flwr 1.41, strategy.py and fedavg.py)
        (r"Starting (?P<strategy>\w{1,100}) strategy:$", _begin),
        (r"\t├── Number of rounds: (?P<rounds>\d{1,9})$", _plan),
        (rf"Initial global evaluation results: {_RECORD}", _judge),
        (r"\[ROUND (?P<round>\d{1,9})(?:/\d+)?\]$", _begin_round),
        (r"configure_|aggregate_|\t> Received error in reply ", _pass_over),
        (rf"\t└──> Aggregated MetricRecord: {_RECORD}", _average),
        (rf"\t└──> MetricRecord: {_RECORD}", _judge),
        # flwr.server (flwr 1.41, server.py and history.py); its lines in common with the other stand above
        (r"Starting Flower ServerApp, config: num_rounds=(?P<rounds>\d{1,9})\b", _begin_older),
        (rf"initial parameters \(loss, other metrics\): (?P<loss>{NUMBER}), {_RECORD}", _judge_older),
        (rf"fit progress: \((?P<round>\d{{1,9}}), (?P<loss>{NUMBER}), {_RECORD}", _judge_older),
        (
            r"\tHistory \((?:loss|metrics), (?P<where>distributed|centralized)"
            r"(?:, (?P<phase>fit|evaluate))?\):$",
            _open_history,
        ),
        # what an app may add
        (r"metrics (?P<json>\{.*\})\s*$", _tell),
        (r"config (?P<json>\{.*\})\s*$", _configure),
        (r"\s*$", _pass_over),
    )
)
