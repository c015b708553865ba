"""The demo: a federation of three tenants and four nodes, from its declaration to a trained model.

Every step prints the command line that does the same by hand. Whatever happens, nothing is left running.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shlex
import signal
import sys
import tempfile
import time
from pathlib import Path

from flowerbed import local
from flowerbed.cli.main import INTERRUPTED
from flowerbed.cli.main import run as run_command_line
from flowerbed.declaration import load_plan
from flowerbed.errors import FlowerbedError
from flowerbed.flower.options import FollowOptions
from flowerbed.runs import follow, load_connection
from flowerbed.runs.metrics.log import parse

APP = Path(os.path.relpath(Path(__file__).resolve().parent))
FILE = APP / "federation.yaml"
PAGE = APP / "report.html"
USER = "analyst"
SIGNALS = (signal.SIGINT, signal.SIGTERM)
TIME_LIMIT = 300.0  # seconds: a run that takes longer stands still


def main() -> int:
    """Run the demo; 0 if the run completed, which it does only above the accuracy floor of the app."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="override run config"
    )
    settings = ["min-nodes=4", *parser.parse_args().settings]
    for number in SIGNALS:
        signal.signal(number, interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # what is told keeps its order in a log file, too
    try:
        return tour(settings)
    except KeyboardInterrupt:
        print("\ninterrupted; nothing is left running")
        return INTERRUPTED
    except FlowerbedError as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return error.exit_code


def tour(settings: list[str]) -> int:
    """Take every step; return the exit code of the first that fails, else 0."""
    began = time.monotonic()
    step("The declaration: who takes part", "check", FILE)
    if code := flowerbed(["check", str(FILE)]):
        return code
    step("The federation: certificates, keys, and a process for every part", "up", FILE, "--detach")
    federation = local.up(load_plan(FILE), FILE, tell=print)
    try:
        code = flowerbed(["status", str(FILE)]) or train(federation, settings)
    finally:
        ignore_signals()
        step("The end", "down", FILE)
        if federation.owned:
            federation.down()
    print("everything is down" if federation.owned else "it ran before the demo, so it runs on")
    print(f"\n{'done' if code == 0 else 'failed'} after {time.monotonic() - began:.0f} s")
    return code


def train(federation: local.Federation, settings: list[str]) -> int:
    """Submit the app, follow the run to its end, report on it; return the run's exit code."""
    overrides = [word for setting in settings for word in ("--set", setting)]
    submit = ["submit", str(APP), "-f", str(FILE), *overrides, "--detach"]
    step("The training: every node on its own images", *submit)
    with tempfile.NamedTemporaryFile("r", suffix=".json") as started:
        if code := flowerbed([*submit, "--outcome", started.name]):
            return code
        run_id = json.load(started)["run_id"]
    step("The run: what the SuperLink says of it", "logs", run_id, "-f", FILE, "--follow")
    options = FollowOptions(say=print, log=Progress(), timeout=TIME_LIMIT)
    outcome = follow(load_connection(federation.connection(USER)), run_id, options)
    print(f"run {run_id}: {outcome.status}{f': {outcome.reason}' if outcome.reason else ''}")
    if outcome.exit_code == INTERRUPTED:
        raise KeyboardInterrupt
    report = ["report", run_id, "-f", str(FILE), "-o", str(PAGE)]
    step("The report: rounds, curves, who took part", *report)
    return flowerbed(report) or outcome.exit_code


class Progress:
    """Takes a run's log as it comes, and tells of each round when the server has judged its model."""

    def __init__(self) -> None:
        self._log = ""
        self._told: set[int] = set()

    def __call__(self, text: str) -> None:
        """Take another piece of the log."""
        self._log += text
        metrics = parse(self._log)
        for entry in metrics.rounds:
            if entry.server and entry.number not in self._told:
                self._told.add(entry.number)
                figures = ", ".join(f"{name} {value:.4f}" for name, value in entry.server.items())
                print(f"  round {entry.number} of {metrics.planned}: {figures}")


def interrupt(*_: object) -> None:
    """Take Ctrl-C, or a SIGTERM, for the end of the demo."""
    ignore_signals()
    raise KeyboardInterrupt


def ignore_signals() -> None:
    """Hear no more signals: what is left takes seconds, and half of it would leave processes behind."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def flowerbed(arguments: list[str]) -> int:
    """Run a `flowerbed` command line in this process and return its exit code. Raises KeyboardInterrupt."""
    code = run_command_line(arguments)
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return code


def step(title: str, *command: str | Path) -> None:
    """Announce a step, and the command line for it."""
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}{title}{plain}\n$ flowerbed {shlex.join(map(str, command))}")


if __name__ == "__main__":
    sys.exit(main())
