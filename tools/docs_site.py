"""Brings the repository's other pages into the documentation site; mkdocs calls it, as mkdocs.yml says.

Pages of docs/ link to files outside of it by relative paths, which work in the repository. The site has these
files under `repository/`, with the same paths, and each link is rewritten to where its file is.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = "repository/"
# Pages outside of docs/ that are in the site.
PAGES = ("*.md", "charts/*.md", "charts/*/README.md", "values/*.md", "values/*/README.md", "examples/**/*.md",
         "bench/README.md", "tests/cluster/harness/README.md")  # fmt: skip
LINK = re.compile(r"(\]\()([^)#\s:]+)(#[^)\s]*)?(?=\))")


def on_files(files: Files, config: Any) -> Files:  # noqa: ANN401  (mkdocs' own configuration)
    """Add the pages outside of docs/, and every other file that a page links to."""
    pages = {file for pattern in PAGES for file in ROOT.glob(pattern)}
    sources = pages | {ROOT / "docs" / file.src_uri for file in files.documentation_pages()}
    linked = {target for page in sources for target in _linked(page)}
    for path in sorted(pages | {target for target in linked if target.is_file()}):
        if not path.is_relative_to(ROOT / "docs"):
            uri = OUTSIDE + path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Return a page with each relative link as the site has it."""
    here = posixpath.dirname(page.file.src_uri)
    directory = posixpath.dirname(_in_repository(page.file.src_uri))

    def moved(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(directory, match[2]))
        if not (ROOT / target).exists():
            return match[0]  # mkdocs reports it
        if (ROOT / target).is_dir():
            target = f"{target}/README.md"
        site = target.removeprefix("docs/") if target.startswith("docs/") else OUTSIDE + target
        return f"{match[1]}{posixpath.relpath(site, here or '.')}{match[3] or ''}"

    return LINK.sub(moved, markdown)


def _in_repository(uri: str) -> str:
    """Return the path in the repository of a page of the site."""
    return uri.removeprefix(OUTSIDE) if uri.startswith(OUTSIDE) else f"docs/{uri}"


def _linked(page: Path) -> set[Path]:
    """Return the files of the repository that a page links to."""
    text = page.read_text(encoding="utf-8")
    return {(page.parent / match[2]).resolve() for match in LINK.finditer(text)}
