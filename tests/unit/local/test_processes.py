"""Ports, state and processes of a local federation, with real sockets and real processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowerbed.errors import LocalError
from flowerbed.local import ports, watchdog_process
from flowerbed.local.commands import Command
from flowerbed.local.ports import TakenError, reserve
from flowerbed.local.process import ManagedProcess, end_processes, tail
from flowerbed.local.state import LocalState, StateDirectory, process_started
from flowerbed.local.watchdog import Watchdog

SLEEPER = [sys.executable, "-S", "-c", "import time; time.sleep(100)"]
# Leaves its group and its parent, as a daemon would.
RUNAWAY = [
    sys.executable,
    "-S",
    "-c",
    "import os,time; os.setsid(); os.fork() and os._exit(0); time.sleep(100)",
]


DEAF = "import signal,time\nsignal.signal(15, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(100)"


@pytest.fixture
def mark(tmp_path: Path) -> str:
    return StateDirectory(tmp_path).mark


@pytest.fixture
def environment(mark: str) -> dict[str, str]:
    return {**os.environ, "FLOWERBED_STATE": mark.partition("=")[2]}


@pytest.fixture(autouse=True)
def _nothing_left(mark: str) -> Iterator[None]:
    yield
    watchdog_process.kill_marked(mark)


def wait_for(true: object, what: str) -> None:
    end = time.monotonic() + 10
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_free_ports_are_found_and_differ() -> None:
    """Each purpose has a port of its own, which a server of the federation can still bind."""
    reservation = reserve(("fleet", "control", "node"), {}, {})
    assert len(set(reservation.ports.values())) == 3
    with socket.create_server(("127.0.0.1", reservation.ports["fleet"])):
        pass
    reservation.release()


def test_a_reserved_port_is_refused_to_another_federation() -> None:
    """The second one is told who has it, also while nobody listens; released, it is free."""
    first = reserve(("fleet",), {}, {})
    port = first.ports["fleet"]
    with pytest.raises(TakenError, match=f"port {port} is taken by process {os.getpid()} "):
        reserve(("fleet",), {"fleet": port}, {})
    first.release()
    second = reserve(("fleet",), {"fleet": port}, {})
    assert second.ports == {"fleet": port}
    second.release()


def test_the_kernel_gives_a_reserved_port_to_nobody() -> None:
    """Asking for any port never yields a reserved one: the socket that holds it is bound."""
    reservation = reserve(("fleet",), {}, {})
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", reservation.ports["fleet"]))
    reservation.release()


def test_a_listeners_port_is_taken_and_a_port_of_last_time_is_given_up() -> None:
    """A declared port must be free; one of the last time is a wish."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(TakenError, match=f"port {port} is taken"):
            reserve(("fleet",), {"fleet": port}, {})
        wished = reserve(("fleet",), {}, {"fleet": port})
        assert wished.ports["fleet"] != port
        wished.release()
    again = reserve(("fleet",), {}, {"fleet": port})
    assert again.ports["fleet"] == port
    again.release()


def test_a_refused_reservation_holds_nothing() -> None:
    """When one declared port is taken, the others are free again."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as spare:
        free = spare.getsockname()[1]
        spare.close()
        with pytest.raises(TakenError):
            reserve(("a", "b"), {"a": free, "b": server.getsockname()[1]}, {})
    reservation = reserve(("a",), {"a": free}, {})
    reservation.release()


def test_a_port_that_the_system_forbids_is_told_from_a_taken_one() -> None:
    """Its remedy is another number, not the end of another program."""
    error = ports._taken(80, PermissionError(13, "Permission denied"))
    assert str(error) == "port 80 may not be used by this account\n  declare one from 1024 on"


def test_ports_are_remembered(tmp_path: Path) -> None:
    """What was written is read; nothing, or nonsense, is not a ports."""
    state = StateDirectory(tmp_path)
    assert state.read_ports() == {}
    state.keep_ports({"fleet": 9092})
    assert state.read_ports() == {"fleet": 9092}
    state.ports_file.write_text('["x"]')
    assert state.read_ports() == {}


def record_of(pid: int, started: str) -> LocalState:
    return LocalState(
        name="x",
        file="/x/federation.yaml",
        plan="",
        pid=pid,
        started=started,
        state="online",
        flower="1.41.0",
        admission="listed",
        insecure=False,
        gateway=True,
        ports={},
        endpoints={},
    )


def test_a_record_counts_only_while_its_supervisor_lives(tmp_path: Path) -> None:
    """A pid that is gone, a zombie, or another process with the same number is no supervisor."""
    state = StateDirectory(tmp_path)
    assert state.running() is None
    mine = record_of(os.getpid(), process_started(os.getpid()))
    state.write(mine)
    assert state.running() == mine
    assert state.state_file.stat().st_mode & 0o777 == 0o600
    state.write(record_of(os.getpid(), "another start"))
    assert state.running() is None
    child = subprocess.Popen(SLEEPER)
    state.write(record_of(child.pid, process_started(child.pid)))
    assert state.running() is not None
    child.kill()
    wait_for(lambda: state.running() is None, "a zombie that does not count")
    child.wait()
    assert process_started(child.pid) == ""


def test_a_damaged_record_is_no_record(tmp_path: Path) -> None:
    """Half a file, or one of another version, is treated as absent."""
    state = StateDirectory(tmp_path)
    state.state_file.write_text('{"name": "x"')
    assert state.read() is None
    state.state_file.write_text('{"name": "x"}')
    assert state.read() is None


def test_a_folder_is_claimed_once(tmp_path: Path) -> None:
    """Of two claims one holds; asking about it takes nothing away; it ends with its holder."""
    state = StateDirectory(tmp_path)
    assert not state.is_claimed()
    lock = state.claim()
    assert lock is not None
    assert state.claim() is None
    assert state.is_claimed()
    os.close(lock)
    assert not state.is_claimed()
    assert not StateDirectory(tmp_path / "nowhere").is_claimed()


def test_the_sweep_finds_marked_processes_and_no_others(mark: str, environment: dict[str, str]) -> None:
    """Processes that left their group are ended by their mark; a process without it lives on."""
    subprocess.run(RUNAWAY, env=environment, check=True)
    wait_for(lambda: watchdog_process.marked_processes(mark), "the runaway")
    other = subprocess.Popen(
        SLEEPER, env={**environment, "FLOWERBED_STATE": f"{mark.partition('=')[2]}-other"}
    )
    assert watchdog_process.kill_marked(mark) == []
    assert watchdog_process.marked_processes(mark) == []
    assert other.poll() is None
    other.kill()
    other.wait()


def test_the_watchdog_ends_what_a_killed_supervisor_leaves(mark: str, environment: dict[str, str]) -> None:
    """When the process at the other end of its pipe is killed, groups and runaways are ended in seconds."""
    code = (
        "import os,subprocess,sys,time\n"
        "from flowerbed.local.watchdog import Watchdog\n"
        "watchdog = Watchdog(sys.argv[1])\n"
        "environment = {**os.environ, 'FLOWERBED_STATE': sys.argv[1].partition('=')[2]}\n"
        f"child = subprocess.Popen({SLEEPER!r}, env=environment, start_new_session=True)\n"
        f"subprocess.run({RUNAWAY!r}, env=environment)\n"
        "watchdog.add(child.pid)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(100)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, mark], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        assert int(supervisor.stdout.readline()) in watchdog_process.marked_processes(mark)
        assert len(watchdog_process.marked_processes(mark)) == 2
        supervisor.kill()
    wait_for(lambda: not watchdog_process.marked_processes(mark), "everything ended")


def test_a_watchdog_that_was_killed_is_replaced(mark: str, environment: dict[str, str]) -> None:
    """The new watchdog knows the groups of the old one."""
    child = subprocess.Popen(SLEEPER, start_new_session=True)  # no mark: only its group is known
    watchdog = Watchdog(mark)
    watchdog.add(child.pid)
    watchdog._process.kill()
    watchdog._process.wait()
    watchdog.ensure([child.pid])
    watchdog.close()
    assert child.wait(5) == -signal.SIGTERM


def make(folder: Path, *code: str) -> ManagedProcess:
    command = Command("part", (sys.executable, "-S", "-c", *code), {}, folder)
    return ManagedProcess(command, 0, folder / "part.log")


def test_a_part_that_ends_is_due_again_after_growing_pauses(tmp_path: Path) -> None:
    """Its exit code is kept, its pauses double, its log goes on."""
    part = make(tmp_path, "print('hello'); raise SystemExit(3)")
    pauses = []
    for _ in range(3):
        part.start(os.environ)
        wait_for(part.ended, "its end")
        pauses.append(round(part.due - time.monotonic()))
    assert pauses == [1, 2, 4]
    assert (part.exit_code, part.restarts, part.status().state) == (3, 2, "waiting to restart")
    assert tail(tmp_path / "part.log") == "    hello\n    hello\n    hello"


def test_ending_parts_asks_first_and_then_kills(tmp_path: Path) -> None:
    """One that reacts ends by itself; one that does not is killed after its grace, with its children."""
    polite = make(tmp_path, "import time; time.sleep(100)")
    deaf = make(tmp_path, f"import os\n{DEAF}".replace("print", "os.fork()\nprint"))
    groups = [part.start(os.environ) for part in (polite, deaf)]
    wait_for(lambda: (tmp_path / "part.log").read_text().count("up") == 2, "both processes of the deaf one")
    begin = time.monotonic()
    assert end_processes([polite, deaf], 0.5, lambda: False) == groups
    assert 0.4 < time.monotonic() - begin < 3
    wait_for(lambda: not any(watchdog_process.signal_group(group, 0) for group in groups), "both groups gone")


def test_hurry_cuts_the_grace_short(tmp_path: Path) -> None:
    """Asked to hurry, it kills at once."""
    deaf = make(tmp_path, DEAF)
    deaf.start(os.environ)
    wait_for(lambda: "up" in (tmp_path / "part.log").read_text(), "the part")
    begin = time.monotonic()
    end_processes([deaf], 30.0, lambda: True)
    assert time.monotonic() - begin < 2


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    """One sentence, no traceback."""
    part = ManagedProcess(Command("part", ("no-such-program",), {}, tmp_path), 0, tmp_path / "part.log")
    with pytest.raises(LocalError, match="cannot start no-such-program: No such file"):
        part.start(os.environ)
