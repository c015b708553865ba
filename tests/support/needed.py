"""Programs that tests need besides Python and git: a test of one that is missing is skipped, or fails in CI.

A program counts as missing where it is found but does not work, as a client without its engine.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable

import pytest

from support.paths import ROOT

# How each program is asked for its version, and what the answer holds.
PROGRAMS = {
    "buildah": (("buildah", "--version"), "buildah version"),
    "chromium": (("chromium", "--version"), "Chromium"),
    "docker-registry": (("docker-registry", "--version"), "docker-registry"),
    "haproxy": (("haproxy", "-v"), "roxy version"),
    "openssl": (("openssl", "version"), "OpenSSL"),
    "ssh": (("ssh", "-V"), "OpenSSH"),
    "sshd": (("sshd", "-V"), "OpenSSH"),
    # Helm, helm-unittest and kubeconform in their pinned versions, found or built by Go.
    "go": ((str(ROOT / "tools" / "build"),), "/tools/"),
}
REASON = "needs "
ANSWER_LIMIT = 1800.0  # seconds: the chart tools are built once


@functools.cache
def works(program: str) -> bool:
    """Tell whether a program of PROGRAMS is there and answers."""
    command, answer = PROGRAMS[program]
    if not shutil.which(command[0]):
        return False
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_LIMIT, check=False)
    except OSError:
        return False
    return answer in done.stdout + done.stderr


def require(*programs: str) -> None:
    """Skip what runs, a test or all tests of a fixture, if a program is missing; in CI fail it."""
    if missing := [program for program in programs if not works(program)]:
        reason = f"{REASON}{', '.join(missing)}"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}: nothing is left out in CI", pytrace=False)
        pytest.skip(reason)


def not_run(reasons: Iterable[str]) -> list[str]:
    """Return a line for each program that skipped tests needed, from the reasons of all skips."""
    needed = Counter(
        program for reason in reasons if reason.startswith(REASON) for program in reason[6:].split(", ")
    )
    return [f"{program}: {count} tests" for program, count in sorted(needed.items())]
