"""The report as data: who took part, how long the stages took, and its text for a terminal."""

from __future__ import annotations

import json
from datetime import datetime

import msgspec
import pytest

from flowerbed import documents
from flowerbed.flower.text import printable
from flowerbed.runs import NodeRecord
from flowerbed.runs.report.figures import columns, duration, moment, number, size
from flowerbed.runs.report.model import Wait, build, rounds_in_words
from flowerbed.runs.report.text import render_text
from support import report_runs as runs


def test_participants_have_their_names_and_tenants() -> None:
    """Nodes stand in the order of the declaration, with name, tenant, label, examples and rounds."""
    report = runs.completed()
    assert report.federation == "digits"
    assert [(one.name, one.tenant, one.examples) for one in report.nodes] == [
        ("digits-north-0", "north", 240),
        ("digits-north-1", "north", 478),
        ("digits-south-0", "south", 503),
        ("digits-east-0", "east", 216),
    ]
    assert {one.rounds for one in report.nodes} == {(1, 2, 3)}
    assert report.nodes[2].labels == {"site": "Südklinikum"}


def test_participants_without_plan_or_names() -> None:
    """Without the declaration and the list of nodes, the ids still say who took part."""
    report = build(runs.COMPLETED, runs.log("digits-completed"))
    assert {one.node for one in report.nodes} == set(runs.NODES)
    assert {(one.name, one.tenant) for one in report.nodes} == {("", "")}


def test_nodes_that_failed_took_part() -> None:
    """An app that tells nothing of its nodes still shows those whose answer was an error."""
    report = runs.other("fedadam-failures")
    assert sorted(one.failures for one in report.nodes) == [1, 1, 1, 2]
    assert all(one.examples is None and one.rounds == () for one in report.nodes)


def test_stages_of_a_finished_run() -> None:
    """Each stage lasted until the next one began, the last until the end."""
    assert runs.completed().stages == (Wait("pending", 0.75), Wait("starting", 1.5), Wait("running", 68.0))


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        ({"status": "running", "sub_status": "", "finished_at": ""}, [0.75, 1.5, None]),
        ({"starting_at": "", "running_at": "", "finished_at": ""}, [None]),
        ({"running_at": "", "sub_status": "failed"}, [0.75, 69.5]),
        ({"pending_at": "", "starting_at": "", "running_at": "", "finished_at": ""}, []),
    ],
)
def test_stages_of_other_runs(changes: dict[str, str], stages: list[float | None]) -> None:
    """A stage that lasts has no length; one that was skipped is not there."""
    assert [wait.seconds for wait in build(runs.record(**changes), "").stages] == stages


def test_only_a_failed_run_shows_the_end_of_its_log() -> None:
    """The last lines of a failed run's log are kept, without colours."""
    end = runs.failed().log_end
    assert "RuntimeError: accuracy 0.9361 is below the floor of 0.999" in end
    assert not any("\x1b" in line for line in end)
    assert runs.completed().log_end == ()


def test_the_text_of_a_completed_run() -> None:
    """Outcome, stages, the table of rounds and who took part, aligned."""
    assert (
        render_text(runs.completed())
        == """\
run 9473538936500246222: completed
app flowerbed/digits 1.0.0, FAB 27aa50a3
pending 0.8 s, starting 1.5 s, running 1 min 08 s
computing 0.1 s of 1 min 08 s, 1.2 MB sent to nodes, 4.2 kB received
set: learning-rate=0.3

         server          training
round  accuracy    loss  accuracy    loss  answers
    0    0.0556  2.4286
    1    0.7944  0.4912    0.9944  0.0331   4 of 4
    2    0.9361  0.1800    0.9972  0.0187   4 of 4
    3    0.9556  0.1057    0.9993  0.0089   4 of 4

node            tenant  examples  rounds  failures  missing
digits-north-0  north        240       3         0        0
digits-north-1  north        478       3         0        0
digits-south-0  south        503       3         0        0
digits-east-0   east         216       3         0        0"""
    )


def test_the_text_of_runs_that_went_wrong() -> None:
    """A reason, failing nodes, and a log without rounds are each said in words."""
    words = "  RuntimeError: accuracy 0.9361 is below the floor of 0.999 (digits/server_app.py, line 40)"
    assert words in render_text(runs.failed())
    failing = render_text(runs.other("fedadam-failures"))
    assert (
        "  5 of 24 replies of nodes failed in training: RuntimeError: scanner <b>offline</b> on node 41"
        in failing
    )
    assert "  eval_loss is infinite from round 1 on" in failing
    assert "The log contains no rounds." in render_text(build(runs.record(), "nothing to see"))


def test_the_text_is_harmless() -> None:
    """Escape sequences from a stranger's app do not reach the terminal."""
    log = '[ROUND 1/1]\nmetrics {"round": 1, "a\\u001b[31m": 1, "node": "n\\u001b]0;x\\u0007"}\n'
    log += "\t└──> MetricRecord: {'red\\x1b': 1, 'bell\x07': 2}\n"
    text = render_text(build(runs.record(details="bad\x1b[2Jend", fab_id="x\u202ey"), log))
    assert all(char.isprintable() or char == "\n" for char in text)


def test_many_metrics_do_not_make_endless_lines() -> None:
    """The text shows eight metrics and says how many more there are; accuracy and loss come first."""
    figures = ", ".join(f"'m{index}': {index}" for index in range(20)) + ", 'loss': 1.0, 'accuracy': 0.5"
    report = build(runs.record(), f"[ROUND 1/1]\n\t└──> MetricRecord: {{{figures}}}\n")
    assert "and 14 more metrics" in render_text(report)
    assert [column.name for column in columns(report.metrics)][:3] == ["accuracy", "loss", "m0"]


def test_the_report_as_json() -> None:
    """A program reads the same report; what is not a number there is the word for it."""
    data = json.loads(documents.encode(runs.other("fedadam-failures")))
    assert data["run"]["run_id"] == runs.COMPLETED.run_id
    assert data["metrics"]["rounds"][1]["train"]["grad"] == "NaN"
    assert data["metrics"]["failures"][0]["round"] == 2


def test_rounds_that_have_ended_are_done() -> None:
    """While a training goes on its last round is not done; one that came to its end has all of them done."""
    log = "Starting FedAvg strategy:\n\t├── Number of rounds: 3\n[ROUND 1/3]\n[ROUND 2/3]\n"
    running = runs.record(status="running", sub_status="", finished_at="")
    assert rounds_in_words(build(running, log)) == "1 of 3"
    assert rounds_in_words(build(running, f"{log}Strategy execution finished in 0.5s\n")) == "2 of 3"
    assert rounds_in_words(build(runs.record(), log)) == "2 of 3"
    assert rounds_in_words(build(running, 'metrics {"round": 1, "loss": 1}\n')) == "1"
    assert rounds_in_words(build(running, "")) == ""


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_234_567, "1.2 MB"),
        (10**9, "1.0 GB"),
        (10**16, "10000.0 TB"),
    ],
)
def test_sizes(count: int, shown: str) -> None:
    """Bytes in words, by powers of 1000."""
    assert size(count) == shown


def test_who_took_part_without_a_word_of_the_app() -> None:
    """Where all nodes were asked they all took part; who sent nothing is known if it went offline."""
    online = NodeRecord(
        node_id="11",
        name="north-0",
        status="online",
        public_key="",
        last_activated_at="2026-01-31T07:00:00+00:00",
        online_until=1e10,
    )
    middle = datetime.fromisoformat("2026-01-31T08:00:30+00:00").timestamp()
    gone = msgspec.structs.replace(online, node_id="22", name="west-0", status="offline", online_until=middle)
    nodes = [online, gone]
    log = (
        "Starting FedAvg strategy:\n[ROUND 1/1]\nconfigure_train: Sampled 2 nodes (out of 2)\n"
        "aggregate_train: Received 1 results and 1 failures\n"
        "\t> Received error in reply from node 1: Error: Node Unavailable — no heartbeat\n"
        "[ROUND 2/2]\nconfigure_train: Sampled 2 nodes (out of 2)\n"
        "aggregate_train: Received 1 results and 0 failures\n"
    )
    report = build(runs.record(), log, nodes)
    assert [(one.name, one.failures, one.missing) for one in report.nodes] == [
        ("north-0", 0, 0),
        ("west-0", 0, 2),
    ]
    assert report.remarks == (
        "1 of 4 replies of nodes failed: Node Unavailable — no heartbeat on west-0",
        "1 of 4 replies of nodes is missing: 1 of 2 in round 2 (training) (west-0: offline)",
    )
    elsewhere = build(runs.record(), log.replace("Sampled 2", "Sampled 3"), nodes)
    assert elsewhere.nodes == ()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.97222, "0.9722"),
        (1437, "1,437"),
        (123456789, "1.235e+08"),
        (0.0, "0"),
        (3e-7, "3.00e-07"),
        (123456.0, "1.23e+05"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_figures(value: float, shown: str) -> None:
    """Figures take at most ten characters."""
    assert number(value) == shown


def test_times_in_words() -> None:
    """Durations and moments read as people write them; no moment is no text."""
    assert [duration(seconds) for seconds in (1.25, 185.4, 7800.0)] == ["1.2 s", "3 min 05 s", "2 h 10 min"]
    assert moment("2026-01-31T09:30:00.9+01:00") == "2026-01-31 08:30:00 UTC"
    assert moment("") == ""


def test_text_of_strangers() -> None:
    """One line, no control characters or direction marks, a bearable length; accents stay."""
    assert printable("Hôpital\n\tNord") == "Hôpital Nord"
    assert printable("a\u202eb\x00c") == "a\ufffdb\ufffdc"
    assert len(printable("x" * 5000)) == 300
