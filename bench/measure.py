"""What every bench shares: run whole processes in turn, take medians, print a table, write JSON.

Only the standard library is imported, and nothing big is kept: Linux counts the memory of the process
that starts a command into that command's peak (`ru_maxrss` survives exec), so this one must be small.
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from resource import struct_rusage
from typing import IO, BinaryIO

# A Python that may not keep its compiled modules compiles all of them at each start.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
AFTER = 5.0  # seconds for which the rest of stdout is read, which a process left behind may keep open
RESULTS = Path(__file__).parent / "results"


class BenchError(Exception):
    """A measured command failed or outlived its limit: the figures would mean nothing."""


def _nothing(*_: object) -> None:
    """Prepare nothing, check nothing."""


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to measure: `prepare` runs before each start and `check` after each end, both unmeasured.

    `limit` is in seconds; `check` gets what the command wrote to stdout and raises if that is wrong. A
    command that times a part of itself prints that, and `figure` reads the seconds from its stdout: they then
    stand in the place of the wall time. `answer` is what its stdout has when it has said what was asked.
    """

    argv: Sequence[str]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = _nothing
    check: Callable[[str], None] = _nothing
    figure: Callable[[str], float] | None = None
    answer: re.Pattern[str] | None = None
    limit: float = 600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: wall and CPU time in seconds, peak memory in MB (10^6 bytes), and its stdout.

    `answered`: seconds until stdout had the answer, all of them where the command names none.
    """

    seconds: float
    answered: float
    cpu_seconds: float
    peak_mb: float
    output: str


@dataclass(frozen=True, slots=True)
class Summary:
    """Several runs: medians, and the fastest and slowest wall time, in seconds and MB."""

    runs: int
    seconds: float
    answered: float
    fastest: float
    slowest: float
    cpu_seconds: float
    peak_mb: float


def run_once(command: Command) -> Sample:
    """Run a command to its end and return what it took; raises BenchError if it fails or takes too long."""
    command.prepare()
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        code, usage, output = _spawn_and_wait(command, errors)
        seconds = time.perf_counter() - started
        errors.seek(0)
        text, complaint = output.text, errors.read().decode(errors="replace")
    if code:
        raise BenchError(
            f"{' '.join(command.argv)}: exit {code} after {seconds:.1f} s\n{(complaint or text)[-2000:]}"
        )
    command.check(text)
    if command.figure:
        seconds = command.figure(text)
    answered = output.answered - started if command.answer else seconds
    cpu_seconds = usage.ru_utime + usage.ru_stime
    return Sample(seconds, answered, cpu_seconds, usage.ru_maxrss * 1024 / 1e6, text)


class _Output(threading.Thread):
    """Reads a command's stdout to its end; `answered` is when that had the answer."""

    def __init__(self, stream: IO[bytes], answer: re.Pattern[str] | None) -> None:
        super().__init__()
        self.text, self.answered = "", math.nan
        self._stream, self._answer = stream, answer

    def run(self) -> None:
        """Read line by line."""
        for line in self._stream:
            self.text += line.decode(errors="replace")
            if math.isnan(self.answered) and self._answer and self._answer.search(self.text):
                self.answered = time.perf_counter()


def _spawn_and_wait(command: Command, errors: BinaryIO) -> tuple[int, struct_rusage, _Output]:
    process = subprocess.Popen(
        list(command.argv),
        cwd=command.cwd,
        env={**_ENVIRONMENT, **command.env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
    )
    assert process.stdout is not None  # it is a pipe
    output = _Output(process.stdout, command.answer)
    output.start()
    # The group, so that a command's own children end with it.
    guard = threading.Timer(command.limit, os.killpg, (process.pid, signal.SIGKILL))
    guard.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:  # interrupted: leave no process behind
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        guard.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    output.join(AFTER)
    return process.returncode, usage, output


def summarize(samples: Sequence[Sample]) -> Summary:
    """Return the medians of some runs."""
    seconds = [sample.seconds for sample in samples]
    return Summary(
        runs=len(samples),
        seconds=statistics.median(seconds),
        answered=statistics.median(sample.answered for sample in samples),
        fastest=min(seconds),
        slowest=max(seconds),
        cpu_seconds=statistics.median(sample.cpu_seconds for sample in samples),
        peak_mb=statistics.median(sample.peak_mb for sample in samples),
    )


def interleave(commands: Mapping[str, Command], runs: int, *, warm_up: bool = True) -> dict[str, Summary]:
    """Run all commands in turn, `runs` times, and return each one's medians.

    In turn, so that whatever else the machine does falls on all of them; every second turn goes backwards,
    so that none always follows the same one. The turn that warms the file cache is not counted.
    """
    names = list(commands)
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    if warm_up:
        for name in names:
            run_once(commands[name])
    for turn in range(runs):
        for name in names if turn % 2 == 0 else reversed(names):
            samples[name].append(run_once(commands[name]))
    return {name: summarize(taken) for name, taken in samples.items()}


def linear_fit(points: Iterable[tuple[float, float]]) -> tuple[float, float, float]:
    """Return slope, intercept and R squared of the straight line through some (x, y)."""
    xs, ys = zip(*points, strict=True)
    slope, intercept = statistics.linear_regression(xs, ys)
    mean = statistics.fmean(ys)
    residual = sum((y - slope * x - intercept) ** 2 for x, y in zip(xs, ys, strict=True))
    return slope, intercept, 1 - residual / sum((y - mean) ** 2 for y in ys)


def environment() -> str:
    """Return one line about this machine: what the figures were taken on."""
    model = next((line.split(":")[1].strip() for line in _cpu_lines() if line.startswith("model name")), "")
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    return (
        f"{platform.system()} {platform.machine()}, {model or 'unknown CPU'}, {cores} cores, "
        f"Python {platform.python_version()}, load {load:.1f}"
    )


def _cpu_lines() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows as a Markdown table: the first column to the left, figures to the right."""
    body = [list(headings), *map(list, rows)]
    widths = [max(len(row[column]) for row in body) for column in range(len(headings))]
    lines = ["| " + " | ".join(_cell(row, widths)) + " |" for row in body]
    rule = (
        "|" + "|".join("-" * (width + 1) + ("-" if n == 0 else ":") for n, width in enumerate(widths)) + "|"
    )
    return "\n".join([lines[0], rule, *lines[1:]])


def _cell(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        text.ljust(width) if n == 0 else text.rjust(width)
        for n, (text, width) in enumerate(zip(row, widths, strict=True))
    ]


def write_results(name: str, results: Mapping[str, object]) -> Path:
    """Write `bench/results/NAME.json` and return its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(
        json.dumps({"environment": environment(), **results}, indent=2, ensure_ascii=False) + "\n"
    )
    sys.stderr.write(f"written: {path}\n")
    return path
