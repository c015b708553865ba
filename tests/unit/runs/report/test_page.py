"""The page: well-formed, whole in one file, readable, and safe with strangers' text in it."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest

from flowerbed.runs.report.model import Environment, Report, SourceRecord, TreeRecord, build
from flowerbed.runs.report.page import render_page
from flowerbed.runs.report.text import render_text
from support import report_runs as runs
from support.paths import PACKAGE
from support.report_html import Page

HOSTILE = "<script>alert('x')</script>\"'&{{ 7*7 }}{% raw %}<!--]]>\u202e"


REPORTS: dict[str, Callable[[], Report]] = {
    "completed": runs.completed,
    "failed": runs.failed,
    "failures": lambda: runs.other("fedadam-failures"),
    "older-api": lambda: runs.other("older-api"),
    "empty": lambda: build(runs.record(sub_status="failed", running_at=""), ""),
    "pending": lambda: build(
        runs.record(status="pending", sub_status="", starting_at="", running_at="", finished_at=""), ""
    ),
}


@pytest.fixture(params=sorted(REPORTS))
def report(request: pytest.FixtureRequest) -> Report:
    return REPORTS[request.param]()


def test_every_page_is_well_formed(report: Report) -> None:
    """Elements nest and close, ids are unique, and every reference to an id has its target."""
    page = Page(render_page(report))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = [
        word for _, attributes in page.elements for word in (attributes.get("aria-labelledby") or "").split()
    ]
    assert set(wanted) <= set(ids)


def test_every_page_needs_nothing_else(report: Report) -> None:
    """No script, no link, no image, no address in the styles; a policy forbids them as well."""
    text = render_page(report)
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "form"} & {tag for tag, _ in page.elements}
    names = {name for _, attributes in page.elements for name in attributes}
    assert not {"src", "href", "xlink:href", "srcset", "action"} & names
    assert not any(name.startswith("on") for name in names)
    assert not re.search(r"url\(|@import|https?://(?!flower\.ai/docs)", text)
    policies = [meta["content"] for meta in page.named("meta") if "http-equiv" in meta]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_equal_reports_give_equal_pages(report: Report) -> None:
    """Nothing in a page depends on when it is written."""
    assert render_page(report) == render_page(report)


def test_the_figures_are_in_the_tables() -> None:
    """Every round's figures stand in a table cell as text, beside the curves."""
    page = Page(render_page(runs.completed()))
    cells = page.texts
    for figure in ("0.0556", "0.7944", "0.9361", "0.9556", "0.1057", "0.0089", "240", "478", "503", "216"):
        assert figure in cells
    assert "Hôpital Nord" in cells
    assert {"digits-north-0", "north", "35 %", "1,437"} <= set(cells)


def test_the_head_says_what_became_of_the_run() -> None:
    """Outcome with reason, run id, app, whole FAB hash, times, strategy."""
    page = Page(render_page(runs.failed()))
    for word in (
        "failed",
        "accuracy 0.9361 is below the floor of 0.999",
        "9473538936500246222",
        "flowerbed/digits",
        runs.COMPLETED.fab_hash,
        "2026-01-31 08:00:00 UTC",
        "TellingFedAvg",
    ):
        assert word in page.text
    assert "RuntimeError: accuracy 0.9361" in page.text


def test_the_run_config_is_shown() -> None:
    """What the app told of its run config stands on the page."""
    page = Page(render_page(runs.completed()))
    place = page.texts.index("accuracy-floor")
    assert page.texts[place + 1] == "0.9"


def test_source_and_overrides_are_shown() -> None:
    """With the submitter's record, the page has where the app came from, and what was set for this run."""
    source = SourceRecord(kind="git", location="https://git.example.org/apps", ref="main", commit="ab" * 20)
    report = msgspec.structs.replace(
        runs.completed(), source=source, config={"rounds": 3, "rate": 0.1}, overrides={"rate": 0.1}
    )
    page = Page(render_page(report))
    assert {"git", "https://git.example.org/apps", "main", "ab" * 20} <= set(page.texts)
    assert "SHA-256" not in page.texts[page.texts.index("Source") :]
    assert page.texts[page.texts.index("rate") + 1] == "set for this run"
    assert page.texts[page.texts.index("rounds", page.texts.index("Run config")) + 1] == "3"
    assert f"commit {'ab' * 20}" in render_text(report)
    assert "Source" not in Page(render_page(runs.completed())).texts


def test_the_submission_is_shown() -> None:
    """Labels, versions, host, command line, and whether the files differed from the commit."""
    tree = TreeRecord(branch="main", remote="https://git.example.org/a", dirty=True, diff="source.diff")
    report = msgspec.structs.replace(
        runs.completed(),
        source=SourceRecord(kind="folder", location="/apps/one", commit="ab" * 20, tree=tree),
        environment=Environment(flowerbed="1.0", flower="1.41.0", python="3.11.2", host="laptop"),
        command=("flowerbed", "submit", "--note", "two words"),
        name="base",
        tags=("paper",),
        note=HOSTILE,
    )
    page, text = Page(render_page(report)), render_text(report)
    assert {
        "base",
        "paper",
        "flowerbed submit --note 'two words'",
        "Flowerbed 1.0, Flower 1.41.0, Python 3.11.2",
        "laptop",
        "yes, in source.diff",
        "https://git.example.org/a",
        HOSTILE.replace("\u202e", "\ufffd"),
    } <= set(page.texts)
    assert f"commit {'ab' * 20} with changes" in text
    assert "submitted with Flowerbed 1.0, Flower 1.41.0, Python 3.11.2 on laptop" in text
    assert "base #paper" in text
    assert "Submission" not in Page(render_page(runs.completed())).texts


def test_curves_are_described() -> None:
    """Each drawing is an image with a title and a description that gives first and last value."""
    text = render_page(runs.completed())
    page = Page(text)
    drawings = [svg for svg in page.named("svg") if svg.get("role") == "img"]
    assert len(drawings) == 2
    assert "accuracy by round" in page.texts
    assert (
        "server: 0.0556 in round 0, 0.9556 in round 3; nodes, training: 0.9944 in round 1, 0.9993 in round 3"
        in page.texts
    )


def test_nodes_that_failed_stand_out() -> None:
    """A completed run with failing nodes says so at the top and lists each failure with its reason."""
    page = Page(render_page(runs.other("fedadam-failures")))
    assert page.texts[page.texts.index("failures of nodes") + 1] == "5"
    assert "<class 'RuntimeError'>:<'scanner <b>offline</b>" in page.texts
    assert "3 of 4" in page.texts
    assert sum(cell.get("class") == "bad" for cell in page.named("td")) == 2


def test_pages_without_figures_say_why() -> None:
    """No rounds and no nodes: the page says so and how an app can tell them."""
    page = Page(render_page(build(runs.record(), "hello")))
    assert "The log tells of no rounds" in page.text
    assert "does not say which nodes took part" in page.text
    assert not page.named("figure")


def test_text_of_strangers_stays_text() -> None:
    """Markup, quotes and template marks in whatever comes from outside are shown, not obeyed."""
    as_json = HOSTILE.replace("\\", "\\\\").replace('"', '\\"')
    as_repr = HOSTILE.replace("\\", "\\\\").replace("'", "\\'")
    log = "\n".join(
        [
            f'config {{"{as_json}": "{as_json}"}}',
            "[ROUND 1/2]",
            f'metrics {{"round": 1, "node": "{as_json}", "examples": 1, "{as_json}": "{as_json}"}}',
            f"\t> Received error in reply from node 1: {HOSTILE}",
            f"\t└──> MetricRecord: {{'{as_repr}': 1.5}}",
            "[ROUND 2/2]",
            f"\t└──> MetricRecord: {{'{as_repr}': 2.5}}",
        ]
    )
    record = runs.record(
        sub_status="failed", details=HOSTILE, fab_id=HOSTILE, fab_version=HOSTILE, fab_hash=HOSTILE
    )
    text = render_page(build(record, log))
    page = Page(text)
    assert "<script" not in text
    assert "\u202e" not in text
    shown = HOSTILE.replace("\u202e", "\ufffd")
    # Details, app, version, hash, title, label (name and value), node, reason, metric, config, log.
    assert sum(shown in words for words in page.texts) >= 12


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_can_be_read(scheme: int) -> None:
    """Text has a contrast of 4.5 or more against what it stands on, in light and dark (WCAG AA)."""
    styles = (PACKAGE / "runs/report/page.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", styles, re.DOTALL)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", blocks[scheme]))
    papers = ("paper", "sheet")
    pairs = [
        (ink, paper) for ink in ("ink", "faint", "server", "train", "evaluate", "bad") for paper in papers
    ]
    for ink, paper in [*pairs, ("good", "good-paper"), ("bad", "bad-paper"), ("open", "open-paper")]:
        light, dark = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{ink} on {paper}"
