"""A machine without the programs that tests use: what is missing is skipped by name, listed, or installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import needed
from support.paths import ROOT

TABLE = re.findall(
    r"^(\S+) +(quick|all|cluster) +(\S+) +\S", (ROOT / "tools/packages").read_text(), re.MULTILINE
)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a directory that is the whole PATH, with what the scripts use; answers are forgotten."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("bash", "cat", "dirname", "env", "grep", "id", "mktemp", "rm", "sed", "sh"):
        (folder / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CI", raising=False)
    needed.works.cache_clear()
    yield folder
    needed.works.cache_clear()


def write(program: Path, text: str) -> Path:
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return program


@pytest.mark.usefixtures("programs")
def test_a_missing_program_skips() -> None:
    """The reason names each program that is missing."""
    with pytest.raises(pytest.skip.Exception, match=r"^needs haproxy, ssh$"):
        needed.require("haproxy", "ssh")


def test_a_program_that_does_not_work_is_missing(programs: Path) -> None:
    """One that is found but does not answer counts as missing; one that answers does not."""
    write(programs / "haproxy", "echo cannot connect; exit 1")
    assert not needed.works("haproxy")
    needed.works.cache_clear()
    write(programs / "haproxy", "echo HAProxy version 3.2.0")
    needed.require("haproxy")


@pytest.mark.usefixtures("programs")
def test_in_ci_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """There, a missing program is a failure."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs haproxy"):
        needed.require("haproxy")


def test_what_was_not_run_is_counted_by_program() -> None:
    """Each program is listed with its tests; other reasons to skip are no programs."""
    reasons = ["needs haproxy", "needs buildah, openssl", "needs haproxy", "no IPv6 here"]
    assert needed.not_run(reasons) == ["buildah: 1 tests", "haproxy: 2 tests", "openssl: 1 tests"]


def test_the_installer_knows_every_program() -> None:
    """All that a test can ask for is installed for `make test-all`; Go alone is not Debian's."""
    assert set(needed.PROGRAMS) - {"go"} <= {sign for _, suite, sign in TABLE if suite != "cluster"}


def test_without_apt_the_installer_changes_nothing(programs: Path) -> None:
    """It names what is missing and ends well; with all of it there, it says nothing."""
    command = [str(ROOT / "tools/packages"), "quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert "not installed here: haproxy openssl\n" in done.stderr
    for name in ("haproxy", "openssl"):
        write(programs / name, "")
    assert subprocess.run(command, capture_output=True, text=True, check=True).stderr == ""


def test_as_root_the_installer_asks_apt_once_for_all(programs: Path) -> None:
    """Where apt is and the account is root, what is missing is installed without a question."""
    write(programs / "id", "echo 0")
    write(
        programs / "apt-get",
        f'echo "$*" >> {programs}/calls; read -r answer && echo asked >> {programs}/calls; true',
    )
    done = subprocess.run(
        [str(ROOT / "tools/packages"), "quick"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    update, install = (programs / "calls").read_text().splitlines()
    assert update.endswith(" update")
    assert install.endswith(" install -y haproxy openssl")


def parts(programs: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run three parts with another `make`."""
    make = write(programs / "make", text)
    command = [str(ROOT / "tools/parts"), "one", "two", "three"]
    environment = {**os.environ, "MAKE": str(make)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_parts_run_on_after_one_failed(programs: Path) -> None:
    """Every part runs; the end names the one that failed and what was not run, and the exit code is 1."""
    note = '[ "$1" != three ] || echo "haproxy: 7 tests" >> "$FLOWERBED_NOT_RUN"; [ "$1" != two ]'
    done = parts(programs, note)
    assert done.returncode == 1
    end = re.sub(r" \(\d+ s\)", "", done.stdout).splitlines()[-5:]
    assert end == [
        "passed: one, three",
        "not run, because programs are missing:",
        "  haproxy: 7 tests",
        "`sudo tools/packages` installs what Debian has; Go is at https://go.dev/dl/.",
        "FAILED: two",
    ]


def test_parts_that_pass_end_with_0(programs: Path) -> None:
    """Without a failure or a missing program, the end is one line."""
    done = parts(programs, "true")
    assert done.returncode == 0
    assert re.sub(r" \(\d+ s\)", "", done.stdout.splitlines()[-1]) == "passed: one, two, three"
