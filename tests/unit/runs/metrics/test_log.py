"""What is read from logs: four that real runs of flwr 1.41 wrote (support/run_logs), and hostile ones."""

from __future__ import annotations

import json
import math
import time

import pytest

from flowerbed.flower.figures import read_history, read_number, read_record
from flowerbed.flower.runs import plain
from flowerbed.runs.metrics.log import parse
from flowerbed.runs.metrics.model import Failure, Metrics, Replies, Round
from support.report_runs import LOGS


def run(name: str) -> Metrics:
    return parse((LOGS / f"run-{name}.log").read_text())


def test_a_completed_run_of_the_example() -> None:
    """Rounds, planned rounds, strategy, figures of server and nodes, and replies are all there."""
    metrics = run("digits-completed")
    assert (metrics.strategy, metrics.planned, metrics.trainings) == ("TellingFedAvg", 3, 1)
    assert [entry.number for entry in metrics.rounds] == [0, 1, 2, 3]
    assert metrics.rounds[0] == Round(
        number=0,
        train={},
        evaluate={},
        server={"accuracy": 0.05555555555555555, "loss": 2.4286069207754575},
        train_replies=None,
        evaluate_replies=None,
    )
    assert metrics.rounds[1].train == {"loss": 0.033106516965941996, "accuracy": 0.9944328462073765}
    assert metrics.rounds[1].server["accuracy"] == 0.7944444444444444
    assert all(entry.train_replies == Replies(4, 0) for entry in metrics.rounds[1:])
    assert metrics.failures == ()


def test_who_took_part_in_the_example() -> None:
    """Each node's `metrics` lines give its examples, figures and labels, once a round."""
    nodes = run("digits-completed").nodes
    assert len(nodes) == 12
    first = nodes[0]
    assert (first.round, first.node, first.examples) == (1, "8765256351293063047", 240)
    assert first.figures == {"loss": 0.015755770861558764, "accuracy": 1.0}
    assert first.labels == {"site": "Hôpital Nord"}
    assert sum(one.examples or 0 for one in nodes if one.round == 3) == 1437


def test_the_config_that_the_example_tells() -> None:
    """A `config` line gives the run config with its types."""
    config = run("digits-completed").config
    assert config["num-server-rounds"] == 3
    assert config["accuracy-floor"] == 0.9
    assert len(config) == 10


def test_a_run_that_failed_keeps_its_rounds() -> None:
    """The rounds before the exception are read; the traceback adds nothing."""
    metrics = run("digits-failed")
    assert [entry.number for entry in metrics.rounds] == [0, 1, 2]
    assert metrics.rounds[2].server == {"accuracy": 0.9361111111111111, "loss": 0.18002338408930574}


def test_failures_lists_and_odd_numbers_of_another_strategy() -> None:
    """FedAdam with both phases: nan, inf, numpy's own prints, lists, apostrophes, failing nodes."""
    metrics = run("fedadam-failures")
    first, second, third = metrics.rounds[1:]
    assert metrics.strategy == "FedAdam"
    assert math.isnan(first.train["grad"])
    assert first.train | {"grad": 0} == {"train_loss": 0.5, "grad": 0, "hist[0]": 1.0, "hist[1]": 2.5}
    assert first.evaluate == {"eval_loss": math.inf, "eval_acc": 0.25}
    assert third.server == {"centralized_acc": 0.30000000000000004, "it's": 3}
    assert (second.train_replies, second.evaluate_replies) == (Replies(3, 1), Replies(4, 0))
    assert (third.train_replies, third.train) == (Replies(0, 4), {})
    assert len(metrics.failures) == 5
    assert metrics.failures[0] == Failure(
        2, "train", metrics.failures[0].node, "<class 'RuntimeError'>:<'scanner <b>offline</b>"
    )


def test_the_older_api() -> None:
    """The flwr.server API: per round what it logs there, the nodes' figures from its summary."""
    metrics = run("older-api")
    assert (metrics.strategy, metrics.planned) == ("", 3)
    assert [entry.number for entry in metrics.rounds] == [0, 1, 2, 3]
    assert metrics.rounds[0].server["loss"] == 1.0
    assert metrics.rounds[3] == Round(
        number=3,
        train={"fit_acc": 0.5},
        evaluate={"loss": 0.7, "accuracy": 0.8},
        server={"loss": 0.25, "accuracy": 0.30000000000000004, "big_number_of_things_with_long_name": 12.5},
        train_replies=Replies(4, 0),
        evaluate_replies=Replies(4, 0),
    )


def test_the_older_api_before_its_summary() -> None:
    """A run of the older API that broke off still shows the server's figures."""
    text = (LOGS / "run-older-api.log").read_text()
    metrics = parse(text[: text.index("[SUMMARY]")])
    assert metrics.rounds[3].server["loss"] == 0.25
    assert metrics.rounds[3].evaluate == {}


@pytest.mark.parametrize("name", ["digits-completed", "digits-failed", "fedadam-failures", "older-api"])
def test_a_log_cut_anywhere_is_read(name: str) -> None:
    """Half a log gives the rounds of that half: never an error, never a round of its own."""
    text = (LOGS / f"run-{name}.log").read_text()
    numbers = {entry.number for entry in parse(text).rounds}
    for end in range(0, len(text), 97):
        assert {entry.number for entry in parse(text[:end]).rounds} <= numbers


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b[92mINFO \x1b[0m:      [ROUND 1/3]", "[ROUND 1/3]"),
        ("INFO :      \t└──> MetricRecord: {}", "\t└──> MetricRecord: {}"),
        ("\x1b[93mWARNING 2026-01-31 08:00:00,123\x1b[0m:   careful", "careful"),
        ("INFORMATION: kept", "INFORMATION: kept"),
        ("print: {'accuracy': 1.0}", "print: {'accuracy': 1.0}"),
    ],
)
def test_plain_lines(line: str, shown: str) -> None:
    """Colours, level and time stamp go; an app's own words stay."""
    assert plain(line) == shown


def test_time_stamps_do_not_hide_a_round() -> None:
    """With FLWR_LOG_LEVEL=DEBUG every line carries its time; the rounds are the same."""
    text = (LOGS / "run-digits-completed.log").read_text()
    stamped = text.replace("INFO \x1b[0m", "INFO 2026-01-31 08:00:00,123\x1b[0m")
    assert stamped != text
    assert parse(stamped) == parse(text)


def test_a_second_training_replaces_the_first() -> None:
    """An app that trains twice shows the last training, and that there were two."""
    text = (LOGS / "run-digits-completed.log").read_text()
    short = (LOGS / "run-digits-failed.log").read_text()
    assert parse(text + short).trainings == 2
    assert parse(text + short).rounds == parse(short).rounds


def told(**fields: object) -> Metrics:
    return parse(f"metrics {json.dumps(fields)}\n")


def test_an_app_without_a_strategy_tells_its_rounds() -> None:
    """`metrics` lines without a node are the server's figures of that round, numbers only."""
    metrics = told(round=4, accuracy=0.5, note="best", ok=True, nothing=None, deep={"a": 1})
    assert [entry.number for entry in metrics.rounds] == [4]
    assert metrics.rounds[0].server == {"accuracy": 0.5}


def test_a_node_may_be_a_number_and_tell_little() -> None:
    """A node id may be a JSON number; examples may be missing or nonsense; booleans and text are labels."""
    [node] = told(round=1, node=2**64 - 1, examples="many", gpu=True, site="x").nodes
    assert (node.node, node.examples) == ("18446744073709551615", None)
    assert node.labels == {"gpu": "True", "site": "x"}


@pytest.mark.parametrize(
    "line",
    [
        'metrics {"round": -1, "accuracy": 1}',
        'metrics {"round": true, "accuracy": 1}',
        'metrics {"round": 1e3, "accuracy": 1}',
        'metrics {"round": 99999999999999999999, "accuracy": 1}',
        'metrics {"round": 1, "accuracy": }',
        "metrics {'round': 1, 'accuracy': 1}",
        'metrics ["round", 1]',
        'metrics {"round": ' + "9" * 5000 + ', "a": 1}',
        "metrics {" + '"a":[' * 20000 + "}",
        'some metrics {"round": 1, "accuracy": 1}',
        "[ROUND 1/3] and more",
        "[ROUND one/3]",
        "[ROUND " + "9" * 4000 + "/3]",
        "aggregate_train: Received many results and 0 failures",
        "\t└──> MetricRecord: __import__('os').system('touch /tmp/x')",
        "\t└──> MetricRecord: {__import__('os'): 1}",
        "\t└──> MetricRecord: {'a': __import__('os')}",
        "\t└──> MetricRecord: {" + "'" * 60000,
        "\t└──> MetricRecord: {" + "\\'" * 30000,
        "\t└──> MetricRecord: {'a': " + "[" * 60000,
        "\x1b[" + "9" * 60000,
        "\t└──> MetricRecord: {'a': 1}" + " " * 70000,
        "\ud800 lone surrogate",
        "\0",
    ],
)
def test_lines_that_say_nothing(line: str) -> None:
    """What does not parse is passed over, quickly, and evaluates nothing."""
    begin = time.process_time()
    metrics = parse(line)
    assert time.process_time() - begin < 1.0
    assert metrics.rounds == ()
    assert metrics.nodes == ()


def test_a_long_log_is_read_in_a_moment() -> None:
    """A log of 200,000 lines takes seconds, not minutes."""
    lines = ["[ROUND 1/1]", *(f"step {number}: loss {number / 7}" for number in range(200_000))]
    begin = time.process_time()
    assert len(parse("\n".join(lines)).rounds) == 1
    assert time.process_time() - begin < 10.0


@pytest.mark.parametrize(
    ("text", "figures"),
    [
        ("{}", {}),
        ("{'a': 1, 'b': -2.5e-07, \"it's\": .5}", {"a": 1, "b": -2.5e-07}),
        ("{'a': np.float64(0.25), 'b': np.int64(3)}", {"a": 0.25, "b": 3}),
        ("{'a': True, 'b': None, 'c': 'text, {\"d\": 4}', 'e': 5}", {"e": 5}),
        ("{'a': [np.float32(1.0), 2], 'b': []}", {"a[0]": 1.0, "a[1]": 2}),
        (f"{{'long': {list(range(17))}, 'b': 1}}", {"b": 1}),
        ("{'a\\'b': 1, 'c\\\\': 2}", {"a'b": 1, "c\\": 2}),
        ("{'a': 1, 'b': what, 'c': 3}", {"a": 1}),
        ("{'a': 99999999999999999999}", {"a": 1e20}),
    ],
)
def test_records(text: str, figures: dict[str, float]) -> None:
    """A record is read up to the first thing that no MetricRecord prints."""
    assert read_record(text) == figures


def test_histories() -> None:
    """The older API's series become rounds, with and without a name."""
    assert read_history("{'a': [(0, 0.0), (2, 1.5)], 'b': [(2, nan)]}")[2]["a"] == 1.5
    assert read_history("round 1: 0.5 round 2: 0.25") == {1: {"loss": 0.5}, 2: {"loss": 0.25}}


@pytest.mark.parametrize("number", [0, -7, 0.1, 1e-300, 2.5e17, 123456789012345])
def test_numbers_survive(number: float) -> None:
    """A figure is the same after Python printed it, and an int stays one."""
    assert read_number(repr(number)) == number
    assert type(read_number(repr(number))) is type(number)
