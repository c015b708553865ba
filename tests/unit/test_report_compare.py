"""Runs side by side: what differs, whose curve is whose, strangers' text."""

from __future__ import annotations

import msgspec
import pytest
import report_runs as runs
from report_html import Page

from flowerbed.report import Comparison, Report, compare, render_comparison, render_comparison_page
from flowerbed.report.compare import RUN_LIMIT, labels


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
    assert rows["loss (server)"][-2:] == ["0.1057", "0.1800"]


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
