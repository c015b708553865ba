"""Runs of rounds_app that are followed from outside while something happens to the cluster."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.cluster import Cluster
from parties import FLOWERBED, Federation

APP = Path(__file__).with_name("rounds_app")


class Run:
    """A run that is being followed: its narration so far, and what it ended with."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        assert process.stderr
        self.reader = threading.Thread(target=self.lines.extend, args=(process.stderr,), daemon=True)
        self.reader.start()

    def told(self, kind: str) -> list[dict[str, object]]:
        """Return what the app has logged so far as lines of a kind: BEGIN or ROUND."""
        found = (re.search(rf"{kind} (\{{.*\}})", line) for line in list(self.lines))
        return [json.loads(match[1]) for match in found if match]

    def wait_for(self, kind: str, number: int, seconds: float = 120) -> None:
        """Wait until round `number` begins (BEGIN) or has ended (ROUND)."""
        end = time.monotonic() + seconds
        while not any(told["round"] == number for told in self.told(kind)):
            assert self.process.poll() is None, "".join(self.lines)
            assert time.monotonic() < end, (
                f"no {kind} {number} within {seconds} s:\n{''.join(self.lines[-30:])}"
            )
            time.sleep(0.05)

    def end(self, seconds: float = 400) -> dict[str, object]:
        """Wait for the run's end; return its outcome."""
        out = self.process.stdout.read() if self.process.stdout else ""
        self.process.wait(seconds)
        self.reader.join(10)
        return dict(json.loads(out.splitlines()[-1]))


@contextmanager
def running(federation: Federation, **config: object) -> Iterator[Run]:
    """Submit the app and follow it; a follower that is left over is ended."""
    settings = [word for key, value in config.items() for word in ("--set", f"{key}={value}")]
    command: list[str | Path] = [
        FLOWERBED,
        "submit",
        APP,
        "--connection",
        federation.connection(),
        "--json",
        "--timeout",
        "6m",
        *settings,
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        run = Run(process)
        try:
            yield run
        finally:
            process.terminate()
            process.wait(60)
            run.reader.join(10)


def rounds_of(run: Run) -> str:
    """Return a run's rounds as a table: answered of asked, the seconds, the codes of failed replies."""

    def line(told: dict[str, Any]) -> str:
        codes = ", ".join(f"error {code}" for code in told["failed"])
        answered = f"{told['round']}: {len(told['answered'])}/{told['asked']} in {told['seconds']} s"
        return f"{answered} ({codes})" if codes else answered

    return "; ".join(map(line, run.told("ROUND")))


def wait_until(what: str, condition: Callable[[], object], seconds: float) -> float:
    """Ask until the answer is true; return how long that took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.1)
    return time.monotonic() - started


def ready(cluster: Cluster, namespace: str, pod: str) -> bool:
    """Tell whether a pod is there and ready."""
    found = cluster.get("pods", "-n", namespace)["items"]
    statuses = [
        one["status"]
        for one in found
        if one["metadata"]["name"] == pod and "deletionTimestamp" not in one["metadata"]
    ]
    conditions = {one["type"]: one["status"] for status in statuses for one in status.get("conditions", [])}
    return conditions.get("Ready") == "True"
