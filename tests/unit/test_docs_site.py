"""The documentation site builds with every link and anchor right, and loads nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.pages import DOCS
from support.paths import ROOT

ROOMS = ("tutorials", "how-to", "reference", "explanation")
LOADED = re.compile(r"""<(?:script|img|iframe|link rel="?(?:stylesheet|preconnect)"?)\b[^>]*https?://""")


def build(site: Path, config: Path = ROOT / "mkdocs.yml") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(site)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    done = build(site)
    assert done.returncode == 0, done.stderr
    return site


def test_each_page_is_there(site: Path) -> None:
    """Pages of docs/, and those of the repository that they link to, with links rewritten."""
    assert (site / "repository" / "charts" / "superlink" / "index.html").is_file()
    for page in DOCS.rglob("*.md"):
        assert (site / page.relative_to(DOCS)).with_suffix(".html").is_file()
    records = (site / "reference" / "records.html").read_text()
    assert 'href="../repository/schema/run.schema.json"' in records
    assert (site / "repository" / "schema" / "run.schema.json").is_file()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """No font, script, style or image comes from another host."""
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    assert [str(page) for page in pages if LOADED.search(page.read_text())] == []
    assert LOADED.search('<script src="https://elsewhere/x.js">')


@pytest.mark.parametrize("link", ["missing.md", "laptop.md#missing", "../../missing.md"])
def test_a_broken_link_is_an_error(tmp_path: Path, link: str) -> None:
    """A missing page and a missing section fail the build."""
    for name in ("docs", "tools"):
        (tmp_path / name).mkdir()
    (tmp_path / "tools" / "docs_site.py").write_text((ROOT / "tools" / "docs_site.py").read_text())
    (tmp_path / "docs" / "laptop.md").write_text("# Laptop\n\n[right](#laptop)\n")
    (tmp_path / "docs" / "index.md").write_text("# Home\n\n[right](laptop.md#laptop)\n")
    text = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[0]
    (tmp_path / "mkdocs.yml").write_text(text)
    assert build(tmp_path / "site", tmp_path / "mkdocs.yml").returncode == 0
    (tmp_path / "docs" / "index.md").write_text(f"# Home\n\n[wrong]({link})\n")
    done = build(tmp_path / "site", tmp_path / "mkdocs.yml")
    assert done.returncode != 0
    assert "missing" in done.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_lists_its_pages(room: str) -> None:
    """The first page of a room leads to each other one, and says what it is about."""
    index = (DOCS / room / "index.md").read_text()
    pages = [page.name for page in (DOCS / room).glob("*.md") if page.name != "index.md"]
    assert pages
    assert [page for page in pages if not re.search(rf"^- \[[^]]+\]\({page}\): .", index, re.MULTILINE)] == []


def test_decisions_are_short_records_in_order() -> None:
    """They are numbered from 1, have the same three sections, and are listed by number and title."""
    directory = DOCS / "explanation" / "decisions"
    records = sorted(directory.glob("[0-9]*.md"))
    listed = (directory / "index.md").read_text()
    for number, record in enumerate(records, 1):
        text = record.read_text()
        assert record.name.startswith(f"{number:04d}-")
        title = text.splitlines()[0].removeprefix(f"# {number}. ")
        assert f"\n{number}. [{title}]({record.name})\n" in listed
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
        assert re.search(r"^Accepted, 20\d\d-\d\d-\d\d\.$", text, re.MULTILINE)
        assert 15 <= len(text.splitlines()) <= 25


def test_no_page_has_marks_of_a_merge() -> None:
    """A conflict that was committed is seen."""
    marks = re.compile(r"^(?:<{7}|={7}|>{7})(?: |$)", re.MULTILINE)
    pages = [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]
    assert [str(page) for page in pages if marks.search(page.read_text())] == []
    assert marks.search("a\n<<<<<<< HEAD\n")


def test_each_page_has_its_room() -> None:
    """Besides the first page, docs/ has its four rooms and the pages for those who change Flowerbed."""
    assert {path.name for path in DOCS.iterdir()} == {"index.md", "contributing", "images", *ROOMS}
