"""`flowerbed connection`, and the stock `flwr` through it, against a real federation behind its gateway."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowerbed.cli.main import run as flowerbed
from flowerbed.local import Federation
from flowerbed.local.watchdog_process import marked_processes
from support.gateway_calls import call
from support.local_federation import LIMIT, until
from support.local_federation import flowerbed as command_line
from support.local_federation import run as verb

SINGLE = "server = ServerApp()\nclient = ClientApp()"
RUNS = "/v1/control/list-runs"


def entry(home: Path) -> dict[str, str]:
    """Return what flwr's configuration says of the session."""
    return dict(tomllib.loads((home / "config.toml").read_text())["superlink"].get("hospitals", {}))


def folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("flowerbed-flwr-*"))


@contextlib.contextmanager
def foreground(federation: Federation, home: Path) -> Iterator[subprocess.Popen[str]]:
    """Run `connection --flwr`, whose entry is written by the time that the test goes on."""
    process = subprocess.Popen(
        command_line("connection", "sam", "-f", federation.file, "--flwr"),
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "FLWR_HOME": str(home)},
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "flwr ls hospitals\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.needs("haproxy")
def test_what_a_connection_says(hospitals: Federation, capsys: pytest.CaptureFixture[str]) -> None:
    """Address, trust, user, role and days left, as text and for programs; without calling anybody."""
    file = str(hospitals.file)
    assert flowerbed(["connection", "vera", "-f", file, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["user"], found["role"], found["tls_name"]) == ("vera", "viewer", "127.0.0.1")
    assert found["days_left"] > 300
    assert len(found["ca_fingerprints"][0]) == 64
    assert flowerbed(["connection", "-f", file]) == 0
    told = capsys.readouterr().out
    assert f"address      {found['address']}\n" in told
    assert "role         submitter\n" in told
    assert found["ca_fingerprints"][0] in told


def test_the_stock_command_trains_through_it(
    hospitals: Federation, hello: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-- COMMAND`: Flower's own `flwr run --stream` and `flwr ls`, to a server by its name; its exit code.

    The user's own configuration is not touched, and nothing is left.
    """
    own = tmp_path / "own"
    monkeypatch.setenv("FLWR_HOME", str(own))
    monkeypatch.setenv("FLWR_DISABLE_UPDATE_CHECK", "1")
    kept = hospitals.connection("sam")
    named = tmp_path / "named.toml"  # the same by the server's name, which goes another way than an address
    named.write_text(
        kept.read_text()
        .replace('"127.0.0.1:', '"localhost:')
        .replace('certificates = "', f'certificates = "{kept.parent}/')
        .replace('certificate = "', f'certificate = "{kept.parent}/')
        .replace('key = "', f'key = "{kept.parent}/')
    )
    app = shutil.copytree(hello, tmp_path / "app")  # flwr itself finds objects that a line alone assigns
    text = (app / "hello.py").read_text()
    (app / "hello.py").write_text(text.replace("server, client = ServerApp(), ClientApp()", SINGLE))
    before = folders()
    script = f"flwr run {app} --stream >&2 && flwr ls --format json && exit 7"
    done = verb("connection", "--connection", named, "--flwr", "--", "sh", "-c", script)
    assert done.returncode == 7, done.stderr
    assert "hello from the server" in done.stderr
    assert "answers: " in done.stderr
    listed = json.loads(done.stdout)
    assert listed["success"]
    assert listed["runs"][0]["fab-name"] == "hello"
    assert not own.exists()
    assert folders() <= before


def credentials(address: str) -> str:
    """Return the Authorization header that an address with a password stands for."""
    return "Basic " + base64.b64encode(address.rpartition("@")[0].encode()).decode()


@pytest.mark.needs("haproxy")
def test_other_accounts_stay_out(hospitals: Federation, tmp_path: Path) -> None:
    """Without the session's password nobody acts as the user; Ctrl-C takes the entry and all else back."""
    (tmp_path / "config.toml").write_text("[superlink.mine]\naddress = ':local:'\n")
    before = folders()
    with foreground(hospitals, tmp_path) as process:
        address = entry(tmp_path)["address"]
        at = address.rpartition("@")[2]
        assert at.startswith("127.0.0.1:")
        assert call(at, RUNS, None).status == 401
        wrong = {"Authorization": credentials(f"flowerbed:guess@{at}")}
        assert call(at, RUNS, None, headers=wrong).status == 401
        right = {"Authorization": credentials(address)}
        assert call(at, RUNS, None, headers=right).passed  # the SuperLink itself answered
        assert address not in Path(f"/proc/{process.pid}/cmdline").read_text()
        assert flowerbed_in(tmp_path, "connection", "-f", hospitals.file, "--flwr") == 2  # the name is taken
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == 0
    assert tomllib.loads((tmp_path / "config.toml").read_text()) == {
        "superlink": {"mine": {"address": ":local:"}}
    }
    assert folders() <= before
    with pytest.raises(OSError, match="refused"):
        call(at, RUNS, None)


def flowerbed_in(home: Path, *arguments: object) -> int:
    return verb(*arguments, environment={"FLWR_HOME": str(home)}).returncode


@pytest.mark.needs("haproxy")
def test_nothing_listens_after_a_kill(hospitals: Federation, tmp_path: Path) -> None:
    """kill -9: the proxy is gone soon after, and the next session takes the stale entry's place."""
    before = folders()
    with foreground(hospitals, tmp_path) as process:
        [folder] = folders() - before
        mark = f"FLOWERBED_PROXY={folder}"
        assert marked_processes(mark)
        process.kill()
    until(lambda: not marked_processes(mark), 15, "the proxy gone")
    stale = entry(tmp_path)
    with foreground(hospitals, tmp_path) as process:
        assert entry(tmp_path)["address"] != stale["address"]
        process.terminate()
        assert process.wait(LIMIT) == 0
    assert not entry(tmp_path)
    for file in folder.iterdir():  # what a kill leaves holds no secret: links, and HAProxy's log
        assert file.is_symlink() or not file.read_bytes()
        file.unlink()
    folder.rmdir()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--flwr"], "HAProxy is not installed"),
        (["--flwr", "--", "no-such-program"], "HAProxy is not installed"),
        (["--json", "--flwr"], "--json shows the connection"),
        (["--", "flwr", "ls"], "goes with --flwr"),
        (["nobody"], "there is no user 'nobody'"),
    ],
)
@pytest.mark.needs("haproxy")
def test_what_cannot_be(
    hospitals: Federation,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    words: str,
) -> None:
    """Without HAProxy, with options that do not go together, for a stranger: one message and exit code 2."""
    monkeypatch.setenv("PATH", "/nowhere")
    assert flowerbed(["connection", "-f", str(hospitals.file), *options]) == 2
    output, errors = capsys.readouterr()
    assert not output
    assert words in errors


def test_a_command_that_is_not_there(hospitals: Federation, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped program after `--` is told by name, and the session is gone with it."""
    before = folders()
    arguments = ["connection", "-f", str(hospitals.file), "--flwr", "--", "no-such-program", "ls"]
    assert flowerbed(arguments) == 2
    output, errors = capsys.readouterr()
    assert not output
    assert "cannot run 'no-such-program': No such file or directory" in errors
    assert folders() <= before
