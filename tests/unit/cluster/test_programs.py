"""helm and kubectl: found or asked for; their error messages become errors of Flowerbed."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from flowerbed.cli import main
from flowerbed.cluster import programs as programs_module
from flowerbed.cluster.programs import Done, Programs, error_message, failure, find_programs
from flowerbed.errors import FlowerbedError

PYTHON = Programs(helm=sys.executable, kubectl=sys.executable)


@pytest.mark.parametrize("verb", ["apply", "diff", "status", "doctor"])
def test_a_missing_program_is_named_with_the_way_to_get_it(
    verb: str, federation: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Helm nothing is tried: exit 2, the program, and where it comes from; and nothing is written."""
    monkeypatch.setenv("HELM", "/nowhere/helm")
    arguments = [verb, "-f", str(federation), *(["--cluster"] if verb == "status" else [])]
    assert main.run(arguments) == 2
    said = capsys.readouterr().err
    assert "/nowhere/helm (from HELM) is not on the PATH" in said
    assert "install Helm 3.22 or newer" in said
    assert [file.name for file in federation.parent.iterdir()] == ["federation.yaml"]


def test_programs_are_those_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HELM and KUBECTL go before the PATH."""
    for name in ("helm", "kubectl"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        monkeypatch.setenv(name.upper(), str(tmp_path / name))
    found = find_programs()
    assert (found.helm, found.kubectl) == (str(tmp_path / "helm"), str(tmp_path / "kubectl"))


def test_status_shows_the_local_federation_where_no_cluster_can_be_asked(
    federation: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever works without a cluster is told of the local federation, and that only that was looked at."""
    monkeypatch.setenv("KUBECTL", "/nowhere/kubectl")
    assert main.run(["status", "-f", str(federation)]) == 1
    said = capsys.readouterr()
    assert "hospitals does not run here; `flowerbed up` starts it" in said.out
    assert "only the local federation is looked at" in said.err
    assert main.run(["status", "-f", str(federation), "--local"]) == 1
    assert main.run(["status", "-f", str(federation), "--local", "--cluster"]) == 2


MESSAGES = [
    ('Error: INSTALLATION FAILED: Kubernetes cluster unreachable: Get "https://a:6443"', 3, "API server"),
    (
        "The connection to the server localhost:8080 was refused - did you specify the right host?",
        3,
        "context",
    ),
    ('error: context "hub" does not exist', 3, "get-contexts"),
    ('Error from server (Forbidden): secrets is forbidden: User "t" cannot list', 3, "role `admin`"),
    ("error: You must be logged in to the server (Unauthorized)", 3, "credentials"),
    ("Error: UPGRADE FAILED: execution error at (superlink/templates/x): users: no", 1, ""),
]


@pytest.mark.parametrize(("said", "code", "remedy"), MESSAGES)
def test_error_messages_become_errors_with_remedies(said: str, code: int, remedy: str) -> None:
    """Unreachable and not allowed end with 3 and say what to do; the rest keeps the program's own words."""
    error = failure(Done(1, "", said), "north (namespace north)")
    assert (error.exit_code, error.where) == (code, "north (namespace north)")
    assert remedy in error.remedy
    assert not error.what.lower().startswith("error")


def test_warnings_are_no_error_message() -> None:
    """What programs print beside the matter is left out."""
    text = "W1124 12:00:00 x.go:1] deprecated\nWARNING: kubeconfig is group-readable\nError: no such thing\n"
    assert error_message(text) == "no such thing"


def test_a_program_that_does_not_answer_is_ended() -> None:
    """Waiting is bounded, and leaves no process."""
    done = PYTHON.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)
    assert (done.code, done.out) == (124, "")


def test_a_program_that_writes_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the limit is held; one that stays below it is read whole, and is given its input."""
    monkeypatch.setattr(programs_module, "OUTPUT_LIMIT", 100_000)
    for stream in ("stdout", "stderr"):
        endless = f"import sys\nwhile True: sys.{stream}.write('x' * 1000)"
        done = PYTHON.run([sys.executable, "-c", endless])
        assert (done.code, done.out, done.err) == (124, "", "more than 100,000 characters of output")
    copied = "import sys; sys.stdout.write(sys.stdin.read())"
    assert PYTHON.run([sys.executable, "-c", copied], text="y" * 100_000).out == "y" * 100_000


def test_the_end_reaches_programs_that_run() -> None:
    """After `end` what runs is interrupted as by Ctrl-C, and nothing more is started."""
    programs = Programs(helm="helm", kubectl="kubectl")
    found: list[Done] = []
    code = "import sys, time\ntry:\n time.sleep(60)\nexcept KeyboardInterrupt: sys.exit(7)"
    thread = threading.Thread(target=lambda: found.append(programs.run([sys.executable, "-c", code])))
    thread.start()
    while thread.is_alive():
        programs.end()  # until the program is far enough to hear it
        thread.join(0.1)
    assert found[0].code in {7, -2}
    with pytest.raises(FlowerbedError, match="interrupted"):
        programs.run([sys.executable, "-c", ""])
