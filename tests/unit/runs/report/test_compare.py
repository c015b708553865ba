"""Runs side by side: what differs, whose curve is whose, strangers' text."""

from __future__ import annotations

import msgspec
import pytest

from flowerbed.runs.report.comparison import Comparison, compare, labels
from flowerbed.runs.report.comparison_view import RUN_LIMIT, render_comparison, render_comparison_page
from flowerbed.runs.report.model import Environment, Report, build
from flowerbed.runs.report.overview import unlike
from support import report_runs as runs
from support.report_html import Page


def renamed(report: Report, run_id: str, **changes: object) -> Report:
    run = msgspec.structs.replace(report.run, run_id=run_id)
    return msgspec.structs.replace(report, run=run, **changes)


@pytest.fixture
def two() -> Comparison:
    return compare([renamed(runs.completed(), "1111111122"), renamed(runs.failed(), "2222222211")])


def test_a_line_each_and_what_differs(two: Comparison) -> None:
    """The text has a column a run: outcomes, differing config alone, last figures."""
    text = render_comparison(two)
    rows = {line.split("  ")[0]: line.split()[1:] for line in text.splitlines() if line}
    assert rows["outcome"] == ["completed", "failed"]
    assert rows["accuracy-floor"] == ["0.9", "0.999"]
    assert "learning-rate" not in rows
    assert rows["loss (server)"][-6:] == ["0.1057", "(round", "3)", "0.1800", "(round", "2)"]


def test_figures_of_different_rounds_are_marked() -> None:
    """A run that goes on has rounds that are done, of those planned; its last figure names its round."""
    log = runs.log("digits-completed").split("[ROUND 3/3]")[0] + "[ROUND 3/3]\n"
    going_on = build(runs.record(run_id="2", status="running", sub_status="", finished_at=""), log)
    text = render_comparison(compare([renamed(runs.completed(), "1"), going_on]))
    rows = {line.split("  ")[0]: line.split("  ", 1)[1].split("  ") for line in text.splitlines() if line}
    assert [cell.strip() for cell in rows["rounds done"] if cell.strip()] == ["3 of 3", "2 of 3"]
    assert [cell.strip() for cell in rows["loss (server)"] if cell.strip()] == [
        "0.1057 (round 3)",
        "0.1800 (round 2)",
    ]
    both = render_comparison(compare([going_on, renamed(going_on, "3")]))
    assert "(round" not in both


def test_what_the_superlink_knows_is_compared() -> None:
    """What was set, traffic and ClientApp seconds of runs that nobody recorded."""
    one = build(runs.record(run_id="1"), "")
    two = build(msgspec.structs.replace(runs.record(run_id="2"), overrides={"learning-rate": 0.7}), "")
    text = render_comparison(compare([one, two]))
    rows = {line.split("  ")[0]: line.split() for line in text.splitlines() if line}
    assert rows["learning-rate"] == ["learning-rate", "0.3", "0.7"]
    assert rows["sent to nodes"][3:] == ["1.2", "MB", "1.2", "MB"]
    assert rows["computing"][1:5] == ["0.1", "s", "of", "1"]


def test_the_environments_are_compared(two: Comparison) -> None:
    """Names and versions; of packages those that differ, where they are known."""
    installed = {"numpy": "2.0", "flwr": "1.41.0"}
    known = Environment(flower="1.41.0", python="3.11.2", host="laptop", packages=installed)
    other = msgspec.structs.replace(known, packages=installed | {"numpy": "1.9", "torch": "2.1"})
    one, two_, three = (
        renamed(two.runs[0], str(at), environment=each, name=name)
        for at, (each, name) in enumerate([(known, "base"), (other, ""), (None, "")])
    )
    comparison = compare([one, two_, three])
    assert comparison.packages == {"numpy": ("2.0", "1.9", None), "torch": (None, "2.1", None)}
    rows = {line.split("  ")[0]: line.split() for line in render_comparison(comparison).splitlines()}
    assert rows["numpy"] == ["numpy", "2.0", "1.9"]
    assert "flwr" not in rows
    assert rows["name"] == ["name", "base"]
    assert rows["Python"] == ["Python", "3.11.2", "3.11.2"]
    assert {"Packages", "torch"} <= set(Page(render_comparison_page(comparison)).texts)
    assert "Packages" not in Page(render_comparison_page(compare([one, three]))).texts


def test_the_page_overlays_the_curves(two: Comparison) -> None:
    """Each chart has a line of its own style for each run, with the run's name in words; ids are unique."""
    text = render_comparison_page(two)
    page = Page(text)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    groups = [attributes.get("class") for attributes in page.named("g")]
    assert groups.count("run1") == groups.count("run2") == len(page.named("figure")) == 4
    assert any("11111111: 0.0556 in round 0" in words and "22222222: " in words for words in page.texts)
    assert not page.named("script")
    assert render_comparison_page(two) == text


def test_strangers_text_stays_text() -> None:
    """Markup in a run's config and reason is shown, not obeyed."""
    one = renamed(runs.failed(), "1", config={"<b>key</b>": "<script>1</script>\u202e"})
    text = render_comparison_page(compare([one, renamed(runs.completed(), "2", config={})]))
    assert "<script>1" not in text
    assert "\u202e" not in text
    assert "<b>key</b>" in Page(text).texts


def test_names_are_as_long_as_it_takes() -> None:
    """Ids that begin alike are told apart; as many runs as there are styles can be shown."""
    alike = [renamed(runs.completed(), f"123456789{at}") for at in range(RUN_LIMIT)]
    assert labels(alike) == [f"123456789{at}" for at in range(RUN_LIMIT)]
    text = render_comparison_page(compare(alike))
    assert all(f".run{at + 1}," in text for at in range(RUN_LIMIT))
    assert Page(text).named("figure")


def sweep(count: int) -> list[Report]:
    """Return as many runs with a learning rate each; the last one failed in its second round."""
    made = [
        renamed(runs.completed(), f"{at:016}", config={"lr": at / 10, "deep": True}, name=f"sweep-{at}")
        for at in range(count - 1)
    ]
    return [*made, renamed(runs.failed(), f"{count:016}", config={"lr": 0.0, "deep": False}, name="odd")]


def test_a_line_a_run() -> None:
    """More runs than there are columns for: a line each with what differs, and marks where one is unlike."""
    found = compare(sweep(300))
    lines = render_comparison(found).splitlines()
    assert len(lines) == 302
    assert lines[0].split()[:6] == ["RUN", "NAME", "OUTCOME", "ROUNDS", "deep", "lr"]
    assert lines[1].split()[:5] == ["0" * 16, "sweep-0", "completed", "3", "of"]
    assert {"failed*", "false*"} <= set(lines[300].split())
    assert "(round 2)*" in lines[300]
    assert lines[301].startswith("* differs from most")
    assert found.rounds[0].done == found.rounds[0].planned == 3
    assert found.rounds[-1].done == 2


def test_a_table_within_the_terminal() -> None:
    """Columns are left out and named; what the runs are sorted by stays."""
    found = compare(sweep(20))
    text = render_comparison(found, "train.loss", 80)
    assert max(map(len, text.splitlines()[:21])) <= 80
    assert "train.loss" in text.splitlines()[0]
    assert "not shown: " in text
    assert "server.loss" in render_comparison(found, "loss", 80).splitlines()[0]


def test_the_page_of_many() -> None:
    """All runs are in the table, marked by a class that is explained; eight have curves, which is said."""
    page = Page(render_comparison_page(compare(sweep(300))))
    groups = [attributes.get("class") for attributes in page.named("g")]
    assert f"run{RUN_LIMIT}" in groups
    assert f"run{RUN_LIMIT + 1}" not in groups
    assert "Curves and tables by round show the first 8 of 300 runs." in page.texts
    assert sum("unlike" in (one.get("class") or "") for one in page.named("td")) >= 3
    assert sum(text.startswith("sweep-") for text in page.texts) == 299
    assert any("differs from most of the other runs" in text for text in page.texts)
    few = render_comparison_page(compare(sweep(3)))
    assert "show the first" not in few


@pytest.mark.parametrize(
    ("values", "marks"),
    [
        ("ab", ""),
        ("aab", "2"),
        ("aabb", ""),
        ("aabc", ""),
        ("aaabc", "34"),
        ("a-", ""),
        ("aa-b", "3"),
        ("", ""),
    ],
)
def test_what_is_unlike(values: str, marks: str) -> None:
    """A value is unlike the others where more than half of the known ones are equal."""
    known = [None if value == "-" else value for value in values]
    assert [str(at) for at, mark in enumerate(unlike(known)) if mark] == list(marks)
