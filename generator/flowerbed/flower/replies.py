"""What the log of a run says of its nodes' replies, and which of its figures are not finite.

Flower's strategies write how many nodes they asked and what came back, and one line a second while they wait
for nodes (flwr 1.41: serverapp/strategy/fedavg.py, server/server.py). What neither came back nor failed is
missing: of a phase whose time limit passed without any reply there is no second line at all.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .app_exceptions import Raised
from .figures import NUMBER, Number, not_finite, read_number, read_record
from .runs import plain

Kind = Literal["train", "evaluate"]
# No line of a strategy is longer but for the text of an exception, neither is one of the figures and labels
# that an app may add.
LONGEST_LINE = 64 * 1024  # characters
# The strategies of Flower's own, all of which write what came back (flwr 1.41: serverapp/strategy).
STOCK = frozenset(
    {
        "Bulyan",
        "DifferentialPrivacyClientSideAdaptiveClipping",
        "DifferentialPrivacyClientSideFixedClipping",
        "DifferentialPrivacyServerSideAdaptiveClipping",
        "DifferentialPrivacyServerSideFixedClipping",
        "FedAdagrad",
        "FedAdam",
        "FedAvg",
        "FedAvgM",
        "FedMedian",
        "FedProx",
        "FedTrimmedAvg",
        "FedXgbBagging",
        "FedXgbCyclic",
        "FedYogi",
        "Krum",
        "MultiKrum",
        "QFedAvg",
    }
)


@dataclass(slots=True)
class Phase:
    """What came back in one phase of a round.

    `asked` is None where the log does not say how many nodes were; `told` says that it has the count of
    replies, `over` that another phase has begun since or the training has ended. `errors` are node ids (of
    Flower, in decimal) with the reason; `replied` the ids of nodes of which the app told figures.
    """

    training: int
    round: int
    kind: Kind
    asked: int | None = None
    results: int = 0
    failures: int = 0
    told: bool = False
    over: bool = False
    errors: list[tuple[str, str]] = field(default_factory=list)
    replied: set[str] = field(default_factory=set)

    @property
    def total(self) -> int:
        """Return how many nodes were asked."""
        return max(self.asked or 0, self.results + self.failures)

    @property
    def missing(self) -> int:
        """Return how many replies never came; 0 while they may come."""
        return self.total - self.results - self.failures if self.over else 0


class Replies:
    """Reads the log of a run, piece by piece.

    `training` counts how often a strategy began, `round` is the last that began, `ended` says that the last
    training came to its end.
    `waiting` says for how many nodes the ServerApp waits, as a predicate ("waits for 3 nodes, 2 are online");
    "" when its last word was another. `raised` has the exception of the ServerApp. `whole` is what its
    process counted over the whole run (start/app_replies.py), as one phase of round 0.
    """

    def __init__(self) -> None:
        self.waiting = ""
        self.raised = Raised()
        self.phases: list[Phase] = []
        self.whole: list[Phase] = []
        self._failed: list[tuple[str, str]] = []
        self.training = self.round = 0
        self.ended = False
        self.kind: Kind = "train"
        self.counting = {0: False}  # of a training: whether its replies are counted by code of Flower's own
        self._figures: dict[str, dict[int, Number]] = {}

    def hear(self, text: str) -> None:
        """Take whole lines of a log."""
        for line in text.splitlines():
            self.read(plain(line[:LONGEST_LINE]))

    def read(self, line: str) -> None:
        """Take one line, without colors and level."""
        self.waiting = ""
        self.raised.read(line)
        for pattern, act in _ACTS:
            if found := pattern.match(line):
                act(self, found)
                return

    def counted(self, *, nobody: bool = False) -> list[Phase]:
        """Return the phases of which it is known what came back.

        A strategy of the app's own may ask nodes by Flower's code and count their replies by its own: then
        nothing is known of a phase, unless it is known that no ClientApp ended in the whole run (`nobody`).
        Where nothing is known of any phase, the whole run counts as one.
        """
        telling = {(one.training, one.kind) for one in self.phases if one.told}
        known = {one for one, counts in self.counting.items() if counts}
        return [
            one
            for one in self.phases
            if nobody or one.training in known or (one.training, one.kind) in telling
        ] or self.whole

    def uncounted(self) -> int:
        """Return how many replies there are of which nothing is known."""
        counted = self.counted()
        if counted and counted == self.whole:
            return 0
        known = list(map(id, counted))
        return sum(one.total for one in self.phases if one.over and id(one) not in known)

    def infinite(self) -> list[str]:
        """Return a sentence for each figure of the last training that is not finite."""
        return not_finite(self._figures)

    def begin(self, strategy: str) -> None:
        """Begin another training; the older API, whose server counts, names no strategy ("")."""
        self.end_phase()
        self.training += 1
        self.counting[self.training] = not strategy or strategy in STOCK
        self.round, self.ended, self._figures = 0, False, {}

    def end_phase(self) -> None:
        """Expect no more replies of the phase that goes on."""
        if self.phases:
            self.phases[-1].over = True

    def begin_phase(self, kind: str, asked: int | None) -> Phase:
        """Begin a phase of the round that goes on."""
        self.end_phase()
        self.kind = "evaluate" if kind == "evaluate" else "train"
        self.phases.append(Phase(self.training, self.round, self.kind, asked))
        return self.phases[-1]

    def note(self, number: int, figures: Mapping[str, Number]) -> None:
        """Take figures of a round; one that is not finite stays."""
        for name, value in figures.items():
            known = self._figures.setdefault(name, {})
            if math.isfinite(known.get(number, 0.0)):
                known[number] = value


def _begin(replies: Replies, found: re.Match[str]) -> None:
    replies.begin(found[1])


def _begin_older(replies: Replies, _: re.Match[str]) -> None:
    replies.begin("")


def _begin_round(replies: Replies, found: re.Match[str]) -> None:
    replies.end_phase()
    replies.round = int(found[1])


def _ask(replies: Replies, found: re.Match[str]) -> None:
    replies.begin_phase(found[1], int(found[2]))


def _count(replies: Replies, found: re.Match[str]) -> None:
    last = replies.phases[-1] if replies.phases else None
    kind = "evaluate" if found[1] == "evaluate" else "train"
    if last is None or last.over or last.kind != kind:
        last = replies.begin_phase(kind, None)
    last.results, last.failures, last.told, last.over = int(found[2]), int(found[3]), True, True


def _fail(replies: Replies, found: re.Match[str]) -> None:
    if replies.phases:
        replies.phases[-1].errors.append((found[1], found[2].strip()))


def _fail_in_all(replies: Replies, found: re.Match[str]) -> None:
    replies._failed.append((found[1], found[2].strip()))


def _count_all(replies: Replies, found: re.Match[str]) -> None:
    asked, good, failed = map(int, found.groups())
    counted = Phase(replies.training, 0, "train", asked, good, failed, told=True, over=True)
    counted.errors = replies._failed
    replies.whole = [counted]


def _end(replies: Replies, _: re.Match[str]) -> None:
    replies.end_phase()
    replies.ended = True


def _wait(replies: Replies, found: re.Match[str]) -> None:
    online, wanted = int(found[1]), int(found[2])
    nodes = f"{wanted} node{'s' * (wanted != 1)}"
    replies.waiting = f"waits for {nodes}, {online} {'is' if online == 1 else 'are'} online"


def _figure(replies: Replies, found: re.Match[str]) -> None:
    replies.note(replies.round, read_record(found[1]))


def _judge_older(replies: Replies, found: re.Match[str]) -> None:
    number = int(found["round"] or 0)
    replies.note(number, {"loss": read_number(found["loss"]), **read_record(found["record"])})


def _lose(replies: Replies, found: re.Match[str]) -> None:
    replies.note(int(found[1]), {"loss": read_number(found[2])})


def _tell(replies: Replies, found: re.Match[str]) -> None:
    try:
        told = json.loads(found[1])
    except (ValueError, RecursionError):
        return
    node, number = told.pop("node", None), told.pop("round", replies.round)
    if isinstance(node, str | int):
        if replies.phases and replies.phases[-1].kind == "train":
            replies.phases[-1].replied.add(str(node))
    elif isinstance(number, int):
        replies.note(number, {name: value for name, value in told.items() if type(value) is float})


_ACTS: tuple[tuple[re.Pattern[str], Callable[[Replies, re.Match[str]], None]], ...] = tuple(
    (re.compile(pattern), act)
    for pattern, act in (
        (r"Starting (\w{1,100}) strategy:$", _begin),
        (r"Starting Flower ServerApp, config: num_rounds=", _begin_older),
        (r"\[ROUND (\d{1,9})(?:/\d+)?\]$", _begin_round),
        (
            r"configure_(train|fit|evaluate): (?:Sampled|strategy sampled) (\d{1,9}) (?:nodes|clients)"
            r" \(out of \d{1,9}\)\s*$",
            _ask,
        ),
        (
            r"aggregate_(train|fit|evaluate): [Rr]eceived (\d{1,9}) results and (\d{1,9}) failures\s*$",
            _count,
        ),
        (r"\t> Received error in reply from node (\d{1,20}): (.*)", _fail),
        (r"flowerbed: node (\d{1,20}) failed: (.*)", _fail_in_all),
        (
            r"flowerbed: (\d{1,9}) messages to nodes: (\d{1,9}) good replies, (\d{1,9}) failed, ",
            _count_all,
        ),
        (r"(?:Strategy execution finished in|\[SUMMARY\]$)", _end),
        (r"Waiting for nodes to connect: (\d{1,9}) connected \(minimum required: (\d{1,9})", _wait),
        (r"(?:\t└──> (?:Aggregated )?MetricRecord|Initial global evaluation results): (\{.*)", _figure),
        (
            rf"(?:initial parameters \(loss, other metrics\): |fit progress: \((?P<round>\d{{1,9}}), )"
            rf"(?P<loss>{NUMBER}), (?P<record>\{{.*)",
            _judge_older,
        ),
        (rf"\t\tround (\d{{1,9}}): ({NUMBER})\s*$", _lose),
        (r"metrics (\{.*\})\s*$", _tell),
    )
)
