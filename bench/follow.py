"""What following a run costs, and how soon its outcome is known.

    python bench/follow.py [--runs N] [--seconds S]

`submit.py` follows runs on one SuperLink with TLS on loopback. No SuperExec takes the runs: they wait until
somebody stops them. From the SuperLink's answer to that, time counts until the follower's process has ended.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from measure import BenchError, environment, table, write_results
from submit import APP, LIMIT, SUBMIT, superlink

STOP = """
import sys, time
from pathlib import Path
from flowerbed import runs
from flowerbed.flower.connection import Connection
runs.stop(Connection(address=sys.argv[1], root_certificates=Path(sys.argv[2])), sys.argv[3])
print(time.monotonic())
"""
# What is meant to hold: share of a core, peak in MB, seconds.
LIMITS = (0.01, 80.0, 2.0)


@dataclass(frozen=True, slots=True)
class Followed:
    """One run followed: CPU seconds per second, peak memory in MB, seconds from its end to the follower's."""

    share: float
    peak_mb: float
    seconds: float


def follow(flags: list[str], seconds: float) -> Followed:
    """Follow a run for some seconds, stop it, wait for the follower's end."""
    address, roots = flags[1], flags[3]
    process = subprocess.Popen(
        [sys.executable, str(SUBMIT), str(APP), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout
        run_id = process.stdout.readline().strip()
        if not run_id.isdecimal():
            raise BenchError(f"no run id: {run_id!r}")
        begin, used = time.monotonic(), _cpu(process.pid)
        time.sleep(seconds)
        share = (_cpu(process.pid) - used) / (time.monotonic() - begin)
        stop = [sys.executable, "-c", STOP, address, roots, run_id]
        stopped = float(
            subprocess.run(stop, capture_output=True, text=True, timeout=LIMIT, check=True).stdout
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 4:
            raise BenchError(f"a stopped run ended with exit code {process.returncode}")
        return Followed(share, usage.ru_maxrss * 1024 / 1e6, max(time.monotonic() - stopped, 0.0))
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _cpu(pid: int) -> float:
    """Return the CPU seconds that a process has used (Linux: proc_pid_stat(5), utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=7, metavar="N", help="runs to follow (default: 7)")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help="each so long (default: 10)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with superlink(folder) as port:
            flags = ["--address", f"localhost:{port}", "--root-certificates", str(folder / "ca.crt")]
            found = [follow(flags, given.seconds) for _ in range(given.runs)]
    report(found)


def report(found: list[Followed]) -> None:
    """Print the table and write the figures."""
    columns = {
        "share of a core": [one.share for one in found],
        "peak MB": [one.peak_mb for one in found],
        "seconds from the run's end to the follower's": [one.seconds for one in found],
    }
    rows = []
    for (name, values), limit in zip(columns.items(), LIMITS, strict=True):
        figures = (statistics.median(values), max(values), limit)
        rows.append([name, *(f"{figure:.2%}" if "share" in name else f"{figure:.2f}" for figure in figures)])
    print(f"Following a run ({environment()}), {len(found)} runs\n")
    print(table(("figure", "median", "worst", "meant to be below"), rows))
    write_results(
        "follow",
        {
            name: {"median": statistics.median(values), "worst": max(values), "limit": limit}
            for (name, values), limit in zip(columns.items(), LIMITS, strict=True)
        },
    )


if __name__ == "__main__":
    main()
