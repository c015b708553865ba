"""The demo as a user runs it: a process of its own, on a copy of the example, with real training."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pytest

from support.pages import is_printed, shown_output
from support.paths import ROOT

EXAMPLE = ROOT / "examples" / "digits"
STEPS = ["check", "up", "submit", "logs", "report", "down"]
PATIENCE = 240.0


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the example: its state, keys and report are the test's own."""
    folder = tmp_path_factory.mktemp("demo") / "digits"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".flowerbed", "bundles", "report.html"))
    return folder


def start(example: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(example / "demo.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(demo: subprocess.Popen[str]) -> str:
    """Return what the demo printed, after its end."""
    try:
        said, _ = demo.communicate(timeout=PATIENCE)
    finally:
        if demo.poll() is None:
            demo.kill()  # its federation ends with it
    return said


def read_until(demo: subprocess.Popen[str], words: str) -> str:
    """Return what the demo says up to the line with these words."""
    said = ""
    assert demo.stdout is not None
    for line in demo.stdout:
        said += line
        if words in line:
            return said
    pytest.fail(f"the demo ended without saying {words!r}:\n{said}")


def left_running(example: Path) -> list[str]:
    """Return the processes that name the example's folder in their command line, environment or folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parts = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            parts += os.fsencode((process / "cwd").readlink())
        except OSError:
            continue
        if os.fsencode(str(example)) in parts and int(process.name) != os.getpid():
            found.append(f"{process.name} {(process / 'cmdline').read_bytes()!r}")
    return found


def nothing_runs(example: Path) -> bool:
    """Return whether all processes of the example are gone, or go within moments."""
    limit = time.monotonic() + 5
    while left_running(example) and time.monotonic() < limit:
        time.sleep(0.1)
    return not left_running(example)


@dataclass(frozen=True)
class Trained:
    """A demo that ended: its exit code, all that it said, and the cells of its page's tables."""

    code: int
    said: str
    cells: list[str]


class Cells(HTMLParser):
    """The text of all table cells of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in {"td", "th"}:
            self.cells.append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.cells[-1] += data


@pytest.fixture(scope="module")
def trained(example: Path) -> Trained:
    """Return what became of a first demo, in a folder where none was before."""
    demo = start(example, "--set", "num-server-rounds=2", "--set", "accuracy-floor=0.9")
    said = read_until(demo, "is online with 4 nodes")
    assert left_running(example), "the check for processes that are left must see those that run"
    said += finish(demo)
    return Trained(demo.returncode, said, Cells((example / "report.html").read_text()).cells)


@pytest.mark.smoke
def test_the_demo_trains_and_reports(example: Path, trained: Trained) -> None:
    """The demo ends with 0; its progress, table and page agree on the figures; nothing is left running."""
    assert trained.code == 0, trained.said
    told = re.search(r"round 2 of 2: accuracy (0\.\d{4}), loss (\d\.\d{4})", trained.said)
    assert told, trained.said
    accuracy, loss = told.groups()
    assert float(accuracy) > 0.9
    assert re.search(rf"^ +2 +{accuracy} +{loss} .* 4 of 4$", trained.said, re.MULTILINE), trained.said
    assert {accuracy, loss, "4 of 4", "Hôpital Nord", "Südklinikum"} <= set(trained.cells)
    assert any(cell.startswith("digits-east-0") for cell in trained.cells)
    assert str(example / "report.html") in trained.said
    assert nothing_runs(example), left_running(example)


def test_the_readme_shows_what_the_demo_prints(trained: Trained) -> None:
    """Each line of output below `make demo` in README.md is printed; its numbers may differ."""
    shown = shown_output(ROOT / "README.md")
    shown = shown[: next(number for number, line in enumerate(shown) if line.startswith("turning "))]
    assert len(shown) > 8
    assert [line for line in shown if not is_printed(line, trained.said)] == []


@pytest.mark.smoke
def test_node_config_arrives_as_declared(example: Path, trained: Trained) -> None:
    """Text with accents, booleans, floats and integers reach the node's app with their types."""
    assert trained.code == 0
    told = re.search(
        r"node config: (\{.*\})", (example / ".flowerbed/digits/logs/digits-east-0.log").read_text()
    )
    assert told
    assert ast.literal_eval(told[1]) == {
        "augment": True,
        "num-partitions": 1,
        "partition-id": 0,
        "share-end": 1.0,
        "share-start": 0.85,
        "site": "Szpital Wschodni",
    }
    north = (example / ".flowerbed/digits/logs/digits-north-1.log").read_text()
    assert "'augment': False, 'num-partitions': 2, 'partition-id': 1" in north
    assert "'site': 'Hôpital Nord'" in north


@pytest.mark.parametrize(
    ("words", "number"),
    [("the SuperLink answers", signal.SIGINT), ("round 0 of", signal.SIGTERM)],
)
def test_interrupted_anywhere_it_leaves_nothing(example: Path, words: str, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM, even twice, while it starts or trains: exit 130, and every process is gone."""
    demo = start(example, "--set", "num-server-rounds=50")
    said = read_until(demo, words)
    assert left_running(example)
    for _ in range(2):
        demo.send_signal(number)
        time.sleep(0.3)
    said += finish(demo)
    assert demo.returncode == 130, said
    assert "Traceback" not in said
    assert nothing_runs(example), left_running(example)


def test_killed_it_leaves_nothing_either(example: Path) -> None:
    """When the demo is killed outright, its federation ends by itself."""
    demo = start(example, "--set", "num-server-rounds=50")
    read_until(demo, "round 0 of")
    assert left_running(example)
    demo.kill()
    finish(demo)
    limit = time.monotonic() + 40
    while left_running(example) and time.monotonic() < limit:
        time.sleep(0.2)
    assert not left_running(example)


def test_the_next_one_fails_below_its_floor(example: Path, trained: Trained) -> None:
    """After all that the demo works again, to the same figures; with a floor out of reach it ends with 1."""
    demo = start(example, "--set", "num-server-rounds=1", "--set", "accuracy-floor=1.1")
    said = finish(demo)
    assert demo.returncode == 1, said
    assert re.findall(r"^\$ flowerbed (\w+)", said, re.MULTILINE) == STEPS
    assert "is below the floor of 1.1" in said
    page = (example / "report.html").read_text()
    assert "is below the floor of 1.1" in page
    again = figures(Cells(page).cells)
    assert len(again) == 6
    assert again == figures(trained.cells)[:6]
    assert nothing_runs(example), left_running(example)


def figures(cells: list[str]) -> list[str]:
    return [cell for cell in cells if re.fullmatch(r"\d\.\d{4}", cell)]
