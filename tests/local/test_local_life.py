"""How a local federation begins, breaks and ends: whatever happens to it, nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowerbed.local.state import ProcessStatus
from support.local_federation import (
    GONE,
    LIMIT,
    ONE_NODE,
    declare,
    flowerbed,
    foreground,
    health,
    kill,
    processes,
    run,
    state,
    until,
    until_gone,
    until_online,
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a declaration with one node, which one test after the other brings up in the same folder."""
    file = declare(tmp_path_factory.mktemp("life"), ONE_NODE.format(name="life"))
    yield file
    run("down", file)


def part(file: Path, name: str) -> ProcessStatus:
    record = state(file).read()
    assert record is not None
    return next(part for part in record.parts if part.name == name)


def started(file: Path) -> bool:
    record = state(file).read()
    return record is not None and len(record.parts) > 3


def said(file: Path) -> str:
    return (file.parent / "up.log").read_text()


@pytest.mark.needs("haproxy")
def test_what_crashes_is_reported_and_started_again(file: Path) -> None:
    """Killed parts come back, the node as the one it was, within seconds; Ctrl-C then ends all, with 130."""
    with foreground(file) as process:
        until_online(file, process)
        before = health(file).nodes[0].node_id
        assert "the SuperLink itself listens on port" in said(file)
        until(lambda: "Ctrl-C takes it down" in said(file), 10, "its status")
        assert "life: online, healthy (TLS, gateway" in said(file)

        kill(part(file, "life-north-0").pid)
        until(lambda: part(file, "life-north-0").restarts == 1, 10, "the node's restart")
        until(lambda: health(file).healthy, 40, "the node online again")
        assert health(file).nodes[0].node_id == before
        assert "life-north-0 ended with signal SIGKILL; it starts again in 1 s (restart 1)" in said(file)
        assert "SuperNode ID" in said(file), "the end of its log"

        kill(part(file, "superlink").pid)
        until(lambda: part(file, "superlink").restarts == 1, 10, "the SuperLink's restart")
        until(lambda: health(file).healthy, 60, "all well again")
        assert health(file).nodes[0].node_id == before

        kill(next(pid for pid in processes(file) if "watchdog" in command(pid)))
        until(lambda: any("watchdog" in command(pid) for pid in processes(file)), 5, "another watchdog")

        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert "life: interrupted; taking it down" in said(file)
    until_gone(file)


def command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


@pytest.mark.needs("haproxy")
def test_a_killed_supervisor_leaves_nothing(file: Path, hello: Path) -> None:
    """After SIGKILL of the supervisor its watchdog ends every process, apps too; status says the truth."""
    with foreground(file) as process:
        until_online(file, process)
        done = run("submit", hello, "-f", file, "--set", "seconds=300.0", "--detach")
        assert done.returncode == 0, done.stderr
        until(lambda: any("flwr-serverapp" in command(pid) for pid in processes(file)), 30, "a ServerApp")
        assert len(processes(file)) >= 9
        kill(process.pid)
        until_gone(file)
        done = run("status", file, "--local")
        assert (done.returncode, done.stdout) == (1, "life does not run here; `flowerbed up` starts it\n")


def test_the_next_start_works_at_once_and_down_ends_it(file: Path) -> None:
    """Right after a kill, its key still locked, the node is online in seconds; ports stay; down ends it."""
    ports = (state(file).path / "ports.json").read_bytes()
    begin = time.monotonic()
    done = run("up", file, "--detach")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begin < 55, (
        "the key of a killed node is locked for a minute, if nobody frees it"
    )
    assert (state(file).path / "ports.json").read_bytes() == ports
    assert health(file).healthy
    begin = time.monotonic()
    done = run("down", file)
    assert (done.returncode, done.stderr) == (0, "life: down\n")
    assert time.monotonic() - begin < 15
    assert processes(file) == []
    done = run("down", file)
    assert done.returncode == 0
    assert "nothing to take down" in done.stderr


def test_a_killed_shell_takes_its_federation_along(file: Path) -> None:
    """A federation in the foreground ends when the process that started it is killed."""
    script = f"{' '.join(flowerbed('up', file))} & wait"
    with subprocess.Popen(["sh", "-c", script], stderr=subprocess.DEVNULL) as shell:
        until_online(file)
        kill(shell.pid)
    until(lambda: state(file).read() is None, GONE, "the record gone")
    until_gone(file)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGHUP, 129), (signal.SIGKILL, -9)],
)
def test_a_signal_while_it_starts_leaves_nothing(file: Path, number: signal.Signals, code: int) -> None:
    """Also before all nodes are online every way to end it ends everything."""
    with foreground(file) as process:
        until(lambda: started(file), LIMIT, "parts")
        process.send_signal(number)
        assert process.wait(30) == code
        until_gone(file)


def test_a_second_ctrl_c_hurries(file: Path) -> None:
    """A part that does not react holds the end up for its grace; a second Ctrl-C ends it at once."""
    with foreground(file) as process:
        until(lambda: started(file), LIMIT, "parts")
        os.kill(part(file, "superlink").pid, signal.SIGSTOP)
        os.kill(part(file, "life-north-0").pid, signal.SIGSTOP)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert time.monotonic() - begin < 4.0
        until_gone(file)


def test_of_two_starts_at_once_one_wins(file: Path) -> None:
    """Both say that it runs, and there is one federation."""
    command = flowerbed("up", file, "--detach")
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)]
    try:
        texts = [process.communicate(timeout=LIMIT)[0].decode() for process in both]
        assert [process.returncode for process in both] == [0, 0], texts
        assert all("life: online, healthy" in text for text in texts)
        links = [pid for pid in processes(file) if "flower-superlink" in command_name(pid)]
        assert len(links) == 1
    finally:
        run("down", file)
    until_gone(file)


def command_name(pid: int) -> str:
    return command(pid).split(" --")[0]


def test_a_declared_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """A taken port is refused with its number and its owner, and nothing was started."""
    with socket.create_server(("127.0.0.1", 0)) as owner:
        port = owner.getsockname()[1]
        file = declare(tmp_path, ONE_NODE.format(name="ports") + f"local: {{ports: {{control: {port}}}}}\n")
        for options in ([], ["--detach"]):
            done = run("up", file, *options)
            assert done.returncode == 1
            assert f"port {port} is taken by process {os.getpid()}" in done.stderr
            assert "declare another port under `local.ports`" in done.stderr
    until_gone(file)


def test_a_part_that_cannot_start_fails_the_start_with_the_end_of_its_log(tmp_path: Path) -> None:
    """A node whose environment breaks it is reported with its last words; everything else is taken down."""
    text = ONE_NODE.format(name="broken").replace("nodes: 1", "nodes: 1, env: {PYTHONHOME: /nonexistent}")
    file = declare(tmp_path, text)
    done = run("up", file, "--detach")
    assert done.returncode == 1
    assert "broken-north-0 ended with exit code 1" in done.stderr
    assert "No module named 'encodings'" in done.stderr
    assert "everything else has been taken down" in done.stderr
    until_gone(file)


def test_a_start_that_takes_too_long_says_who_is_missing(tmp_path: Path) -> None:
    """With too short a time limit the start fails, names what is missing, and leaves nothing."""
    file = declare(tmp_path, ONE_NODE.format(name="late"))
    done = run("up", file, "--detach", "--timeout", "1")
    assert done.returncode == 1
    assert "after 1 s" in done.stderr
    assert "late is online" not in done.stderr
    until_gone(file)


def test_an_invalid_declaration_starts_nothing(tmp_path: Path) -> None:
    """`up` refuses it with exit code 2, before there is any state."""
    file = declare(tmp_path, "version: 1\nname: wrong\nflower: '1.41'\ntenants: []\n")
    assert run("up", file, "--detach").returncode == 2
    assert not (tmp_path / ".flowerbed").exists()
