"""What the log says of nodes' replies and of figures, and what becomes of a completed run by it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flowerbed.errors import UsageError
from flowerbed.flower.nodes import Node
from flowerbed.flower.options import share
from flowerbed.flower.replies import STOCK, Replies
from flowerbed.flower.runs import ReplyCounts
from flowerbed.flower.verdict import Known, so_far
from support.reply_logs import NODES, UNNAMED, begun, info, phase, verdict

EITHER = "(of north-0, west-0, which are online)"
SILENT = "north-0, west-0: silent, but online)"


@pytest.mark.parametrize(
    ("log", "reason", "code", "strict_code"),
    [
        (phase(1, 2, 2, 0) + phase(1, 2, 2, 0, "evaluate"), "", 0, 0),
        (
            phase(1, 2, 1, 1) + phase(1, 2, 2, 0, "evaluate"),
            f"1 of 4 replies of nodes failed in training{UNNAMED}",
            0,
            1,
        ),
        (
            phase(1, 2, 2, 0) + phase(1, 2, 0, 2, "evaluate"),
            f"2 of 4 replies of nodes failed in evaluation{UNNAMED}",
            1,
            1,
        ),
        (phase(1, 1, 0, 1), f"the only reply of a node failed{UNNAMED}", 1, 1),
        (phase(1, 2, 0, 2), f"all 2 replies of nodes failed{UNNAMED}", 1, 1),
        (
            phase(1, 2, 1, 0) + phase(2, 2, 2, 0),
            f"1 of 4 replies of nodes is missing: 1 of 2 in round 1 (training) {EITHER}",
            0,
            1,
        ),
        (
            begun() + phase(1, 2, 0, 0) + phase(2, 2, 0, 0),
            "all 4 replies of nodes are missing: 2 of 2 in round 1 (training) (" + SILENT + ", "
            "2 of 2 in round 2 (training) (" + SILENT,
            1,
            1,
        ),
        (
            phase(1, 2, 2, 0) + phase(2, 2, 0, 0),
            "2 of 4 replies of nodes are missing: 2 of 2 in round 2 (training) (" + SILENT,
            1,
            1,
        ),
        (
            info(
                "[ROUND 1]",
                "configure_fit: strategy sampled 2 clients (out of 2)",
                "aggregate_fit: received 0 results and 2 failures",
            ),
            f"all 2 replies of nodes failed{UNNAMED}",
            1,
            1,
        ),
        (info("aggregate_train: Received many results and 3 failures"), "", 0, 0),
    ],
    ids=[
        "all",
        "one fails",
        "evaluation fails",
        "the only one fails",
        "all fail",
        "one missing",
        "nobody",
        "a silent round",
        "older API",
        "own words",
    ],
)
def test_replies(log: str, reason: str, code: int, strict_code: int) -> None:
    """A completed run says which replies failed or are missing; a phase without any reply is no success."""
    assert verdict(log) == verdict(log, 0.0)
    assert (verdict(log).status, verdict(log).reason, verdict(log).exit_code) == ("completed", reason, code)
    assert verdict(log, 1.0).exit_code == strict_code


def test_counts_for_programs() -> None:
    """Asked for, good, failed, missing: over all phases; None where the log says nothing."""
    log = phase(1, 3, 1, 1) + phase(1, 3, 3, 0, "evaluate")
    assert verdict(log).replies == ReplyCounts(asked=6, results=4, failures=1, missing=1)
    assert verdict("a log without rounds").replies is None


@pytest.mark.parametrize(("least", "code"), [(0.5, 0), (0.51, 1), (0.0, 0), (1.0, 1)])
def test_a_share_of_replies(least: float, code: int) -> None:
    """The share counts in each phase by itself: 1 of 2 is a half, however good the other phases are."""
    log = phase(1, 2, 1, 0) + "".join(phase(number, 2, 2, 0) for number in range(2, 9))
    assert verdict(log, least).exit_code == code
    assert ("less than 51% of the replies are good: 1 of 2 in round 1" in verdict(log, least).reason) == (
        least == 0.51
    )


def test_failures_are_named() -> None:
    """The exception with its type, and the nodes by name; also one that the SuperLink answers for."""
    log = phase(1, 2, 0, 2) + info(
        "\t> Received error in reply from node 11: <class 'ValueError'>:<'no data'>",
        "\t> Received error in reply from node 1: Error: Node Unavailable — gone.",
    )
    assert verdict(log).reason == (
        "all 2 replies of nodes failed: ValueError: no data on north-0, Node Unavailable — gone on west-0"
    )
    assert "gone on a node that went offline" in verdict(log, known=Known()).reason


def test_names_come_in_order() -> None:
    """Replies come in any order; the reason is the same each time."""
    errors = [
        f"\t> Received error in reply from node {node}: <class 'ValueError'>:<'x'>" for node in (22, 11)
    ]
    reasons = {verdict(phase(1, 2, 0, 2) + info(*some)).reason for some in (errors, errors[::-1])}
    assert reasons == {"all 2 replies of nodes failed: ValueError: x on north-0, west-0"}


def test_missing_nodes_are_named_where_that_can_be_known() -> None:
    """By elimination: of all nodes asked those that gave no figures, or that went offline since."""
    replied = phase(1, 2, 1, 0).replace(
        "aggregate", 'metrics {"round": 1, "node": "11"}\nINFO :      aggregate'
    )
    assert "round 1 (training) (west-0: silent, but online)" in verdict(replied).reason
    gone = Known(nodes=(Node("11", "north-0", online=False), NODES[1]))
    assert "round 1 (training) (north-0: offline)" in verdict(phase(1, 2, 1, 0), known=gone).reason
    assert verdict(phase(1, 2, 1, 0)).reason.endswith(
        "round 1 (training) (of north-0, west-0, which are online)"
    )
    later = Known(nodes=tuple(replace(one, online=None) for one in NODES))
    silent = verdict(begun() + phase(1, 2, 0, 0), known=later).reason
    assert silent.endswith("round 1 (training) (north-0, west-0)")
    assert verdict(phase(1, 3, 2, 0)).reason.endswith("round 1 (training)")


def test_a_strategy_that_counts_by_itself() -> None:
    """Flower's own strategies write what came back; of another one the SuperLink alone may know."""
    log = begun("MyOwn") + phase(1, 2, 0, 0)
    assert (verdict(log).exit_code, verdict(log).replies) == (0, None)
    assert verdict(log).reason == "the log does not say what became of 2 replies of nodes"
    silent = verdict(log, known=Known(nodes=NODES, silent=True))
    assert (silent.exit_code, silent.reason[:34]) == (1, "all 2 replies of nodes are missing")
    assert verdict(log + phase(2, 2, 2, 0)).exit_code == 1


def test_an_app_with_messages_of_its_own() -> None:
    """Without any line of a strategy the SuperLink still knows that no ClientApp ended."""
    assert verdict("hello\n").exit_code == 0
    silent = verdict("hello\n", known=Known(silent=True))
    assert (silent.exit_code, silent.reason.partition(":")[0]) == (1, "no node replied")


def test_flowers_own_strategies() -> None:
    """The list is that of Flower."""
    from flwr.serverapp import strategy

    assert set(strategy.__all__) - {"Result", "Strategy"} == STOCK


def test_replies_may_still_come() -> None:
    """While a phase goes on nothing is missing from it."""
    replies = Replies()
    replies.hear(begun() + phase(1, 2, 0, 0))
    assert [one.missing for one in replies.counted()] == [0]
    replies.hear(info("configure_evaluate: Sampled 2 nodes (out of 2)"))
    assert [one.missing for one in replies.counted()] == [2, 0]


def test_waiting_for_nodes() -> None:
    """It is known that a ServerApp waits for nodes, until it says something else."""
    replies = Replies()
    replies.hear("INFO :      Waiting for nodes to connect: 2 connected (minimum required: 3).\n")
    assert replies.waiting == "waits for 3 nodes, 2 are online"
    replies.hear("INFO :      configure_train: Sampled 3 nodes (out of 3)\n")
    assert replies.waiting == ""


def test_what_is_known_of_a_run_that_goes_on() -> None:
    """At a time limit of the submitter's: failures so far, by name, and what the run waits for."""
    replies = Replies()
    replies.hear(begun("MyOwn") + info("[ROUND 1/9]", "configure_train: Sampled 2 nodes (out of 2)"))
    assert so_far(replies, lambda: NODES) == ""
    replies.hear(
        info(
            "aggregate_train: Received 1 results and 1 failures",
            "\t> Received error in reply from node 22: <class 'ValueError'>:<'no data'>",
            "Waiting for nodes to connect: 1 connected (minimum required: 2).",
        )
    )
    assert so_far(replies, lambda: NODES) == (
        "it waits for 2 nodes, 1 is online; 1 of 2 replies of nodes failed: ValueError: no data on west-0"
    )


def figures(*values: str) -> str:
    lines = (
        (f"[ROUND {at}/9]", f"\t└──> Aggregated MetricRecord: {{'eval_loss': {value}, 'acc': 0.5}}")
        for at, value in enumerate(values, 1)
    )
    return info(*(line for pair in lines for line in pair))


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (figures("0.5", "nan", "nan"), "eval_loss is NaN from round 2 on"),
        (figures("0.5", "np.float64(inf)"), "eval_loss is infinite in round 2"),
        (figures("nan", "0.5", "nan"), "eval_loss is NaN in rounds 1, 3"),
        (figures("0.5", "0.25"), ""),
        (info("fit progress: (1, nan, {}, 0.5)"), "loss is NaN in round 1"),
        (
            info("\tHistory (loss, distributed):", "\t\tround 1: 0.5", "\t\tround 2: nan"),
            "loss is NaN in round 2",
        ),
        ('metrics {"round": 3, "f1": NaN}\n', "f1 is NaN in round 3"),
    ],
)
def test_figures_that_are_not_finite(log: str, reason: str) -> None:
    """They are said in the reason, with the round; the exit code stays."""
    assert (verdict(log).reason, verdict(log).exit_code) == (reason, 0)


@pytest.mark.parametrize(
    ("text", "value"), [("0.8", 0.8), (".5", 0.5), ("1", 1.0), ("0", 0.0), ("1.0", 1.0), (None, 0)]
)
def test_the_share_on_the_command_line(text: str | None, value: float) -> None:
    """A number from 0 to 1; `--require-all-replies` is all of them."""
    assert share(text) == value
    assert share(text, all_of_them=True) == 1


@pytest.mark.parametrize("text", ["80%", "1.1", "-1", "nan", "", "2", "1e-1"])
def test_what_is_not_a_share(text: str) -> None:
    """Anything else is refused with what to write."""
    with pytest.raises(UsageError, match="is not a share"):
        share(text)


COUNTED = "flowerbed: {} messages to nodes: {} good replies, {} failed, {} missing\n"
LOST = ": no data on north-0"
FAILED = "flowerbed: node 11 failed: <class 'ValueError'>:<'no data'>\n"


@pytest.mark.parametrize(
    ("log", "share", "code", "reason"),
    [
        (COUNTED.format(4, 4, 0, 0), 1.0, 0, ""),
        (
            FAILED + COUNTED.format(4, 2, 2, 0),
            0.0,
            0,
            "2 of 4 replies of nodes failed: ValueError: no data on north-0",
        ),
        (
            FAILED + COUNTED.format(2, 0, 2, 0),
            0.0,
            1,
            "all 2 replies of nodes failed: ValueError: no data on north-0",
        ),
        (COUNTED.format(2, 0, 0, 2), 0.0, 1, "all 2 replies of nodes are missing: 2 of 2 in the whole run"),
        (COUNTED.format(4, 3, 0, 1), 0.0, 0, "1 of 4 replies of nodes is missing: 1 of 4 in the whole run"),
        (COUNTED.format(4, 3, 0, 1), 1.0, 1, "1 of 4 replies of nodes is missing: 1 of 4 in the whole run"),
    ],
)
def test_replies_that_the_process_counted(log: str, share: float, code: int, reason: str) -> None:
    """Of an app with a loop of its own: over the whole run, and as strict as for Flower's strategies."""
    found = verdict("my own loop\n" + log, share, known=Known(nodes=NODES, asked=True))
    assert (found.exit_code, found.reason) == (code, reason)
    assert found.replies is not None


def test_the_count_of_flowers_strategies_comes_first() -> None:
    """By round, as they write it; what the process counted says no more."""
    log = phase(1, 2, 1, 1)
    assert verdict(log + COUNTED.format(9, 1, 8, 0)) == verdict(log)


def test_reasons_that_the_log_lacks() -> None:
    """With the older API Flower counts failures and names no cause; the process has them."""
    log = phase(1, 2, 0, 2)
    assert verdict(log).reason == "all 2 replies of nodes failed; the logs of the nodes say why"
    named = verdict(log + FAILED + COUNTED.format(2, 0, 2, 0), known=Known(nodes=NODES))
    assert named.reason == "all 2 replies of nodes failed: ValueError" + LOST


def test_a_share_of_replies_that_nobody_counts() -> None:
    """An app with a loop of its own: who asked for a share is not told that all is well; nobody else is."""
    own = Known(nodes=NODES, asked=True)
    assert verdict("my own loop\n", known=own).exit_code == 0
    strict = verdict("my own loop\n", 1.0, known=own)
    assert (strict.exit_code, strict.status) == (1, "completed")
    assert (
        strict.reason
        == "the app counts its replies itself, so that the share that was asked for is not known"
    )
    # The control: an app that asks no node has no replies to count.
    assert verdict("no node is asked\n", 1.0, known=Known(nodes=NODES)).exit_code == 0
    said = replace(own, errors=lambda: {"north-0": "KeyError: 'x'"})
    assert verdict("my own loop\n", known=said).reason == "ClientApps failed: KeyError: 'x' on north-0"
