"""The filter between what others wrote and a terminal, and that nothing is printed past it."""

from __future__ import annotations

import ast
import io
import json

import pytest

from flowerbed.flower import text
from support.paths import ROOT

GENERATOR = ROOT / "generator" / "flowerbed"
COLORED = "\x1b[92mINFO \x1b[0m:      [ROUND 1/3]\n"
# What moves a cursor, writes a title or a clipboard, answers, or turns text around.
HOSTILE = {
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;https://example.org\x1b\\",
    "clipboard": "\x1b]52;c;b3duZWQ=\x07",
    "device": "\x1bP1$r0m\x1b\\",
    "clear": "\x1b[2J\x1b[H",
    "c1-csi": "\x9b2J",
    "c1-osc": "\x9d0;owned\x9c",
    "keypad": "\x1b=",
    "nested": "\x1b\x1b[0m[2J",
    "bell": "\x07\x08\x0b\x0c\x7f\x00",
    "bidi": "\u202eevil\u2066",
    "surrogate": "\ud800",
}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_nothing_controls_a_terminal(stream: type[io.StringIO], hostile: str) -> None:
    """Each control is replaced on a terminal and in a pipe; the text around it stays."""
    out = stream()
    text.write(out, f"before {hostile} after\n")
    shown = out.getvalue()
    assert all(character.isprintable() or character == "\n" for character in shown.replace("\x1b[0m", ""))
    assert "\N{REPLACEMENT CHARACTER}" in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after\n")


@pytest.mark.parametrize(
    ("stream", "expected"),
    [(Terminal, COLORED), (io.StringIO, "INFO :      [ROUND 1/3]\n")],
    ids=["terminal", "file"],
)
def test_colors_reach_terminals_only(stream: type[io.StringIO], expected: str) -> None:
    """A log that goes to a file or a pipe carries no escape sequences."""
    out = stream()
    text.write(out, COLORED)
    assert out.getvalue() == expected


def test_a_color_ends_with_its_text() -> None:
    """A color that is not reset colors nothing that is printed later."""
    assert text.screened("\x1b[8mhidden\n", colors=True) == "\x1b[8mhidden\n\x1b[0m"


def test_ordinary_text_stays() -> None:
    """Accents, spaces that do not break, box drawing and tabs are no controls."""
    ordinary = "Hôpital\u00a0Nord\t├── 3\u202f%\n日本 🌼\n"
    assert text.screened(ordinary, colors=False) == ordinary


def test_carriage_returns_overwrite_nothing() -> None:
    """A line that is written over itself becomes two; a line of Windows stays one."""
    assert text.screened("10%\rrun 1: completed\r\n", colors=False) == "10%\nrun 1: completed\n"


def test_a_reason_passes_for_no_other_line() -> None:
    """Further lines are indented."""
    assert text.hanging("lost\r\nrun 7: completed\n") == "lost\n  run 7: completed"


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
def test_json_means_the_same(hostile: str) -> None:
    """A JSON document holds the same text and nothing that a terminal obeys."""
    document = json.dumps({"name": f"Hôpital {hostile}"}, indent=2, ensure_ascii=False)
    shown = text.escaped(document)
    assert json.loads(shown) == json.loads(document)
    assert all(character.isprintable() or character == "\n" for character in shown)
    assert "Hôpital" in shown


def printing(tree: ast.AST) -> set[str]:
    """Return what a module prints with: `sys.stdout.write`, `sys.stderr.write`, `print`."""
    found = {
        ast.unparse(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)
    }
    return found & {"sys.stdout.write", "sys.stderr.write", "print"}


def test_the_filter_is_the_only_way_out() -> None:
    """Only JSON, which has been escaped, and the program's own version are printed without the filter."""
    allowed = {
        "flower/start/hooks.py": {"sys.stderr.write"},  # its own words, in Flower's processes
        "cli/json_results.py": {"sys.stdout.write"},
        "cli/main.py": {"sys.stdout.write"},  # --version
        "flower/app_helper.py": {"print"},  # in an app
        "flower/programs/kept_revocations.py": {"print"},  # its own errors and counts
        "flower/programs/registrar_lists.py": {"print"},  # JSON
        "flower/programs/superlink_state.py": {"print"},  # its own errors
    }
    paths = GENERATOR.rglob("*.py")
    found = {
        path.relative_to(GENERATOR).as_posix(): printing(ast.parse(path.read_text()))
        for path in paths
        if "charts" not in path.relative_to(GENERATOR).parts
    }
    assert {path: used for path, used in found.items() if used} == allowed
