"""A first try: an app without a declared federation, its record, its files, its page in a real browser."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

import pytest

from flowerbed.runs.records.reporting import report_of
from flowerbed.runs.records.store import load, load_log
from flowerbed.runs.report.page import render_page
from support.local_federation import GONE, LIMIT, flowerbed, run, until
from support.paths import ROOT
from support.report_html import shown_by_chromium

SETTINGS = ("num-server-rounds=1", "min-nodes=2", "accuracy-floor=0.1", "local-epochs=1")
XSS = "<script>document.title = 'broken'</script>"


@pytest.fixture(scope="module")
def first_try(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Submit the example with --local; give the folder of records and the run's id."""
    folder = tmp_path_factory.mktemp("first")
    before = set(Path(tempfile.gettempdir()).glob("flowerbed-local-*"))
    options = [word for setting in SETTINGS for word in ("--set", setting)]
    done = run("submit", ROOT / "examples" / "digits", "--local", "--records", folder, "--json", *options)
    assert done.returncode == 0, done.stderr[-3000:]

    def left() -> set[Path]:
        return set(Path(tempfile.gettempdir()).glob("flowerbed-local-*")) - before

    until(lambda: not left(), GONE, "a directory removed in the background")
    return folder, done.stdout.splitlines()[0]


def test_the_record_of_a_first_try(first_try: tuple[Path, str], tmp_path: Path) -> None:
    """Outcome, source, config, nodes, phases, rounds, log and the model are there after all else is gone."""
    root, run_id = first_try
    record = load(root, run_id)
    assert record is not None
    assert (record.complete, record.run.outcome) == (True, "completed")
    assert record.source is not None
    assert record.source.kind == "folder"
    assert record.environment is not None
    assert (record.environment.flower, record.environment.packages["flwr"]) == (version("flwr"),) * 2
    assert record.command[:2] == ("flowerbed", "submit")
    assert "local-epochs=1" in record.command
    if (ROOT / ".git").exists():
        assert record.source.tree is not None
        assert len(record.source.commit) >= 40
    assert (record.config["local-epochs"], record.overrides["local-epochs"]) == (1, 1)
    assert len(record.nodes) == 2
    assert [wait.stage for wait in record.phases] == ["pending", "starting", "running"]
    assert record.metrics.rounds[-1].server["accuracy"] > 0.1
    assert "[ROUND 1/1]" in load_log(root, run_id)
    done = run("artifacts", run_id, "--records", root, "-o", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    assert [one["name"] for one in json.loads(done.stdout)] == ["model.npz"]
    assert (tmp_path / "model.npz").read_bytes()[:2] == b"PK"


def test_the_page_in_a_browser(first_try: tuple[Path, str], tmp_path: Path) -> None:
    """Chromium runs the page's own script under its policy, and takes a log's script for text."""
    root, run_id = first_try
    record = load(root, run_id)
    assert record is not None
    log = load_log(root, run_id) + f"\n{XSS}\n"
    page = tmp_path / "page.html"
    page.write_text(render_page(report_of(record, log), log), encoding="utf-8")
    shown = shown_by_chromium(page, tmp_path / "profile")
    assert re.search(r"<title>Run \d+ of flowerbed/digits: completed</title>", shown)
    assert "&lt;script&gt;document.title = 'broken'" in shown
    assert f"<code>{ROOT / 'examples' / 'digits'}</code>" in shown  # the source, from the record
    assert shown.count("set for this run") == len(SETTINGS)
    assert '<p hidden=""><label for="search">' not in shown  # the script has shown the field


def test_nothing_is_left_after_a_kill(tmp_path: Path) -> None:
    """kill -9 while the federation comes up: its processes and its folder are gone soon after."""
    before = set(Path(tempfile.gettempdir()).glob("flowerbed-local-*"))
    command = flowerbed("submit", ROOT / "examples" / "digits", "--local", "--records", tmp_path)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    made: set[Path] = set()

    def started() -> bool:
        assert process.poll() is None, f"it ended with {process.returncode}"
        made.update(set(Path(tempfile.gettempdir()).glob("flowerbed-local-*")) - before)
        return any((folder / ".flowerbed").exists() for folder in made)

    try:
        until(started, LIMIT, "a throwaway federation")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    until(lambda: not any(folder.exists() for folder in made), 60.0, f"gone: {made}")
    # Who removes the folder ends after that.
    until(lambda: not any(named(folder) for folder in made), GONE, "a process of it is left")


def named(folder: Path) -> list[str]:
    """Return the command lines of the processes that name a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().decode(errors="replace")
            found += [words] if str(folder) in words else []
    return found
