"""Texts for users have none of the forbidden words: pages, help, charts, INSTALL.md, strings of the code."""

from __future__ import annotations

import pytest

from support.paths import ROOT
from support.words import FORBIDDEN, Text, found, instructions, lines, messages, pages, templates, values

HELP = ROOT / "tests" / "snapshots" / "help.txt"


def test_pages() -> None:
    """Each page of the documentation, and each README; the changelog tells of what was."""
    files = pages()
    assert len(files) > 40
    assert found(lines(files)) == []


def test_help() -> None:
    """What every command prints with `--help`."""
    assert found(lines([HELP])) == []


def test_comments_of_values() -> None:
    """The comments in the charts' values.yaml."""
    assert len(values()) == 3
    assert found(lines(values())) == []


def test_charts() -> None:
    """What Helm prints of a release, what a chart refuses or warns of, and the comments of its templates."""
    names = [file.name for file in templates()]
    assert names.count("NOTES.txt") == 3
    assert names.count("_checks.tpl") == 3
    assert found(lines(templates())) == []


def test_instructions() -> None:
    """INSTALL.md of each party, and the comments of its values, by the templates that they are made from."""
    assert {"install-superlink.md.j2", "install-supernode.md.j2"} <= {file.name for file in instructions()}
    assert found(lines(instructions())) == []


def test_messages() -> None:
    """Every string in the code that is not a docstring: errors, remedies, progress, hints."""
    texts = list(messages())
    assert any("there is no such app" in text.text or "no such app" in text.text for text in texts)
    assert found(iter(texts)) == []


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("it is revoked for good", "it is revoked permanently"),
        ("its hash is another than ours", "its hash differs from ours"),
        ("`status` tells why", "`status` shows why; `tell` is code"),
        ("bear with it", "retry it"),
        ("a stranger is refused", "an unauthorized client is refused"),
        ("Who may not create namespaces has an admin create them", "Who may submit apps?"),
        ("'x' is no party", "'x' is not a party; there is no party; it is no longer one"),
        ("it lies in a directory", "it is in a directory"),
        ("each folder is private", "each directory is private; its kind is `folder`"),
        ("the run goes on", "the run continues, and goes on to the next round"),
        ("until they are put right", "until they are corrected"),
        ("the behaviour", "the behavior"),
    ],
)
def test_each_pattern_finds_its_word(wrong: str, right: str) -> None:
    """A wrong text is found once, with its place, and the right one is not."""
    (line,) = found(iter([Text("page.md:1", wrong)]))
    assert line.startswith("page.md:1: ")
    assert found(iter([Text("page.md:1", right)])) == []


def test_each_pattern_is_tried() -> None:
    """The table above has one row for each pattern."""
    rows = test_each_pattern_finds_its_word.pytestmark[0].args[1]  # type: ignore[attr-defined]
    hits = {
        line.split(": write: ")[1].split(":")[0]
        for wrong, _ in rows
        for line in found(iter([Text("x", wrong)]))
    }
    assert hits == {right.split(":")[0] for right in FORBIDDEN}
