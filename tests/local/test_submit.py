"""`submit.py` against a real SuperLink: each way that a run can end, and the exit code that says it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import flowerbed as flowerbed_package
from flowerbed import runs
from support.apps import write_app
from support.loopback_federation import (
    LIMIT,
    SUBMIT,
    Federation,
    Submission,
    last_word,
    submit,
    ticks,
)
from support.paths import ROOT


def test_completed(federation: Federation, app: Path) -> None:
    """A run that completes: its id first, its outcome last, 10,000 lines of log between, exit 0."""
    code, output, errors = submit(federation, app, "--json", "--set", "ticks=10000", "--set", "pause=0")
    first, last = output.splitlines()
    assert code == 0
    assert json.loads(last) == {
        "run_id": first,
        "status": "completed",
        "reason": "",
        "exit_code": 0,
        "replies": None,
    }
    assert last_word(federation, first) == "completed"
    assert ticks(errors) == list(range(10000))
    assert ticks(runs.read_log(federation.connection(), first)) == list(range(10000))
    record = runs.get_run(federation.connection(), first)
    assert record.fab_hash in errors
    assert "  tiny/server.py (" in errors
    assert (record.fab_id, record.fab_version) == ("flowerbed/tiny", "1.0.0")


def test_failed(federation: Federation, app: Path) -> None:
    """A ServerApp that raises: exit 1, with its words as the reason."""
    code, output, errors = submit(federation, app, "--json", "--set", "ticks=0", "--set", "ending=no data")
    outcome = json.loads(output.splitlines()[-1])
    assert (code, outcome["exit_code"], outcome["status"]) == (1, 1, "failed")
    assert "no data" in outcome["reason"]
    assert last_word(federation, outcome["run_id"]) == "failed"
    assert errors.splitlines()[-1] == f"run {outcome['run_id']}: failed: {outcome['reason']}"


def test_failed_before_it_began(federation: Federation, tmp_path: Path) -> None:
    """A ServerApp that cannot be imported fails its run: exit 1, and the log says why."""
    app = write_app(tmp_path, {"tiny/server.py": "import no_such_library\n\napp = None\n"})
    code, output, errors = submit(federation, app)
    assert code == 1
    assert last_word(federation, output.strip()) == "failed"
    assert "no_such_library" in errors


def test_stopped_by_somebody_else(federation: Federation, app: Path) -> None:
    """A run that another stops: exit 4; stopping it once more is no error. No key is shown meanwhile."""
    submission = Submission(federation, app, "--set", "ticks=1000")
    run_id = submission.run_id
    submission.await_line("tick 1")
    shown = Path(f"/proc/{submission.process.pid}/cmdline").read_text()
    assert runs.stop(federation.connection(), run_id) is True
    code, output, errors = submission.end()
    assert code == 4
    assert (federation.folder / "analyst.key").read_text().splitlines()[1] not in shown + output + errors
    assert last_word(federation, run_id) == "stopped"
    assert runs.stop(federation.connection(), run_id) is False


def test_timed_out(federation: Federation, app: Path) -> None:
    """A run that outlives --timeout: exit 5, and it goes on."""
    code, output, errors = submit(federation, app, "--timeout", "2s", "--set", "ticks=1000", "--json")
    outcome = json.loads(output.splitlines()[-1])
    assert (code, outcome["reason"]) == (5, "not finished after 2 s; the run continues")
    # Pending, where the processes of other runs are starting before it.
    assert last_word(federation, outcome["run_id"]) in {"pending", "starting", "running"}
    assert f"`flwr stop {outcome['run_id']}` stops it" in errors
    runs.stop(federation.connection(), outcome["run_id"])


def test_detached(federation: Federation, app: Path, tmp_path: Path) -> None:
    """--detach ends with 0 as soon as the run is started; --outcome writes what is known to a file."""
    code, output, _ = submit(
        federation, app, "--detach", "--set", "ticks=1000", "--outcome", str(tmp_path / "o.json")
    )
    assert code == 0
    assert last_word(federation, output.strip()) in {"pending", "starting", "running"}
    assert json.loads((tmp_path / "o.json").read_text())["run_id"] == output.strip()
    runs.stop(federation.connection(), output.strip())


@pytest.mark.parametrize(
    ("number", "arguments", "after", "reason"),
    [
        (signal.SIGINT, [], "running", "interrupted; the run continues"),
        (signal.SIGTERM, ["--on-interrupt", "stop"], "stopped", "interrupted; the run was stopped"),
    ],
    ids=["SIGINT", "SIGTERM-stop"],
)
def test_interrupted(
    federation: Federation, app: Path, number: int, arguments: list[str], after: str, reason: str
) -> None:
    """An interruption, even sent twice, ends with 130 and leaves or stops the run, as it says."""
    submission = Submission(federation, app, "--json", "--set", "ticks=1000", *arguments)
    run_id = submission.run_id
    submission.await_line("is running")
    for _ in range(2):
        submission.process.send_signal(number)
    code, output, _ = submission.end()
    assert code == 130
    assert json.loads(output) == {
        "run_id": run_id,
        "status": after,
        "reason": reason,
        "exit_code": 130,
        "replies": None,
    }
    assert last_word(federation, run_id) == after
    runs.stop(federation.connection(), run_id)


def test_whoever_reads_may_leave(federation: Federation, app: Path) -> None:
    """A reader that leaves after the id does not end the following."""
    command = (
        f"{sys.executable} {SUBMIT} {app} --connection {federation.connection_file()} --json --set ticks=1"
    )
    piped = ["bash", "-c", f"{command} | head -n 1; exit ${{PIPESTATUS[0]}}"]
    done = subprocess.run(piped, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    assert last_word(federation, done.stdout.strip()) == "completed"


def refusals(federation: Federation) -> dict[str, tuple[int, list[str], str]]:
    """Return, by name: exit code, arguments and a piece of the sentence."""
    foreign = str(federation.folder / "foreign.crt")
    right = ["--root-certificates", str(federation.folder / "ca.crt")]
    return {
        "wrong CA": (3, ["--root-certificates", foreign], "the server's certificate is not trusted: "),
        "wrong name": (3, ["--address", f"127.0.0.1:{federation.ports['control']}"], "IP address mismatch"),
        "nobody there": (
            3,
            ["--address", f"localhost:{federation.ports['superlink'] + 1}"],
            "Connection refused",
        ),
        "plain HTTP": (2, ["--insecure"], "an insecure connection takes no certificates"),
        "wrong port": (3, ["--address", f"localhost:{federation.ports['readiness']}"], "does not speak TLS"),
        "wrong listener": (
            3,
            ["--address", f"localhost:{federation.ports['fleet']}"],
            "serves /v1/fleet/ only",
        ),
        "unknown federation": (2, ["--federation", "@none/other", *right], "code 2"),
        "unknown key": (2, ["--set", "tick=3"], "did you mean 'ticks'?"),
        "wrong type": (2, ["--set", "ticks=many"], "ticks must be an integer"),
        "no such duration": (2, ["--timeout", "soon"], "'soon' is not a duration"),
    }


def test_refused(federation: Federation, app: Path) -> None:
    """What cannot be started is one sentence, an exit code, and no run."""
    before = len(runs.list_runs(federation.connection(), limit=1000))
    for name, (expected, arguments, sentence) in refusals(federation).items():
        code, output, errors = submit(federation, app, *arguments)
        assert (code, output) == (expected, ""), name
        [error] = [line for line in errors.splitlines() if line.startswith("error: ")]
        assert sentence in error
    assert len(runs.list_runs(federation.connection(), limit=1000)) == before


@pytest.mark.parametrize(
    ("user", "sentence"),
    [
        ("guest", "user guest has the role viewer, but start-run needs the role submitter"),
        ("stranger", "not among the users"),
    ],
)
def test_not_allowed(federation: Federation, app: Path, user: str, sentence: str) -> None:
    """A user without the role ends with 3; user, role and certificate are named."""
    code, output, errors = submit(federation, app, "--json", user=user)
    assert code == 3
    assert sentence in json.loads(output)["reason"]
    assert json.loads(output)["status"] == "not-started"
    assert f"{user}.crt" in errors


def test_no_client_certificate(federation: Federation, app: Path) -> None:
    """Without a client certificate the gateway lets nobody in: exit 3."""
    roots = str(federation.folder / "ca.crt")
    command = [
        sys.executable,
        str(SUBMIT),
        str(app),
        "--address",
        federation.control,
        "--root-certificates",
        roots,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert "the server requires a client certificate" in done.stderr


def test_nodes_are_listed(federation: Federation) -> None:
    """`list_nodes` gives a SuperNode's name, key and whether it is online."""
    federation.start_supernode("north-0")
    deadline = time.monotonic() + LIMIT
    while (nodes := runs.list_nodes(federation.connection("guest")))[0].status != "online":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert [node.name for node in nodes] == ["north-0"]
    assert nodes[0].public_key.startswith("-----BEGIN PUBLIC KEY-----\n")
    federation.kill("north-0")


def flowerbed(federation: Federation, *arguments: str) -> tuple[int, str, str]:
    command = [
        sys.executable,
        "-m",
        "flowerbed",
        *arguments,
        "--connection",
        str(federation.connection_file()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_verbs(federation: Federation, app: Path, tmp_path: Path) -> None:
    """`flowerbed submit`, `runs`, `logs` and `stop` tell the same of a run as the SuperLink does."""
    code, output, _ = flowerbed(federation, "submit", str(app), "--set", "ticks=3", "--json")
    run_id = output.splitlines()[0]
    assert (code, json.loads(output.splitlines()[-1])["status"]) == (0, "completed")
    code, output, _ = flowerbed(federation, "runs", "--json", "--limit", "1")
    listed: list[dict[str, Any]] = json.loads(output)
    assert (code, len(listed), listed[0]["run_id"], listed[0]["sub_status"]) == (0, 1, run_id, "completed")
    assert re.search(
        rf"^{run_id} +flowerbed/tiny 1\.0\.0 +completed +0:\d\d +20", flowerbed(federation, "runs")[1], re.M
    )
    assert ticks(flowerbed(federation, "logs", run_id)[1]) == [0, 1, 2]
    code, output, errors = flowerbed(federation, "logs", run_id, "--follow")
    assert (code, ticks(output), errors) == (0, [0, 1, 2], f"run {run_id}: completed\n")
    code, output, errors = flowerbed(federation, "attach", run_id, "--json")
    assert (code, output.splitlines()[0], ticks(errors)) == (0, run_id, [0, 1, 2])
    assert json.loads(output.splitlines()[-1])["status"] == "completed"
    code, output, _ = flowerbed(federation, "stop", run_id, "--json")
    assert (code, json.loads(output)) == (0, {"run_id": run_id, "stopped": False, "status": "completed"})
    for verb in ("stop", "attach"):
        code, _, errors = flowerbed(federation, verb, "1234567890123456789")
        assert (code, "Run ID not found" in errors, "record" in errors) == (2, True, False)
        code, _, errors = flowerbed(federation, verb, "0000")
        assert (code, "no run has the id 0000, or one that begins with it" in errors) == (2, True)


def test_the_calls_from_python(federation: Federation, app: Path) -> None:
    """`flowerbed.submit` and `flowerbed.follow` tell of a run what the SuperLink says of it."""
    analyst = flowerbed_package.load_connection(federation.connection_file())
    run_id = flowerbed_package.submit(analyst, app, settings=["ticks=2"])
    outcome = flowerbed_package.follow(analyst, run_id)
    assert (outcome.run_id, outcome.status, outcome.exit_code) == (run_id, "completed", 0)
    assert flowerbed_package.get_run(analyst, run_id).outcome == "completed"
    assert ticks(flowerbed_package.read_log(analyst, run_id)) == [0, 1]
    with pytest.raises(flowerbed_package.FlowerbedError, match="no config key 'tick'"):
        flowerbed_package.submit(analyst, app, settings=["tick=2"])


def test_an_environment_without_flowerbed(federation: Federation, app: Path, tmp_path: Path) -> None:
    """`submit.py` runs from any clone, with no more of the package than a pod has."""
    shutil.copytree(ROOT / "charts/app/files", tmp_path / "generator")
    program = tmp_path / "scripts/submit.py"
    program.parent.mkdir()
    program.write_bytes(SUBMIT.read_bytes())
    code = (
        f"import runpy, sys\ntry: runpy.run_path({str(program)!r}, run_name='__main__')\n"
        f"finally: assert sys.modules['flowerbed'].__file__.startswith({str(tmp_path)!r})"
    )
    arguments = [str(app), "--connection", str(federation.connection_file()), "--set", "ticks=1"]
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
