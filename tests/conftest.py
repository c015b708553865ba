"""For all tests: programs that some need, what was not run without them, Ctrl-C, and tests side by side."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from support.needed import not_run, require

# A run that a shell put in the background ignores Ctrl-C, and so would all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Give each worker a temporary directory of its own: tests look for what others would leave there."""
    if not os.environ.get("FLOWERBED_TEST_STARTS"):
        # All federations of all workers share one machine's CPUs, and so the places for processes that start.
        starts = os.environ["FLOWERBED_TEST_STARTS"] = tempfile.mkdtemp(prefix="starts-")
        config.add_cleanup(lambda: shutil.rmtree(starts, ignore_errors=True))
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        own = tempfile.mkdtemp(prefix=f"{worker}-")  # short: sockets are in it
        Path(own).chmod(0o711)  # tests become other accounts
        os.environ["TMPDIR"] = tempfile.tempdir = own
        config.add_cleanup(lambda: shutil.rmtree(own, ignore_errors=True))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Hold a test to its marker: `needs("haproxy")`."""
    for marker in item.iter_markers("needs"):
        require(*marker.args)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was not run for want of programs, or hand the list to tools/parts."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        return  # the controller has the reports of all
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = [str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped]
    if not (lines := not_run(reasons)):
        return
    if notes := os.environ.get("FLOWERBED_NOT_RUN"):
        with Path(notes).open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        return
    terminalreporter.section("not run: programs are missing")
    terminalreporter.write_line("\n".join(lines))
    terminalreporter.write_line(
        "As root, `tools/packages` installs those of Debian; Go is at https://go.dev/dl/."
    )
