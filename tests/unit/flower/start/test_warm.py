"""Forked app processes: what each has of its own, how its end is reported, what they leave: nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flowerbed.flower.start import hooks, warm, warm_server
from support.paths import ROOT

TOKEN = "0123456789abcdef"
# What stands in the place of Flower's program: it does what its arguments say and writes what it finds.
APP = """\
import json, os, random, signal, sys, threading
from pathlib import Path

import numpy


def found():
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return {
        "pid": os.getpid(),
        "arguments": sys.argv,
        "listed": Path("/proc/self/cmdline").read_bytes().decode().split("\\0"),
        "name": Path("/proc/self/comm").read_text().strip(),
        "random": [random.random(), float(numpy.random.rand())],
        "descriptors": sorted(os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
                              if os.path.exists(f"/proc/self/fd/{n}")),
        "signals": [signal.getsignal(n) in (signal.SIG_DFL, signal.default_int_handler) for n in (2, 15, 17)],
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "threads": threading.active_count(),
        "given": os.environ.get("GIVEN", ""),
        "directory": os.getcwd(),
        "preloaded": {name: getattr(sys.modules[name], "PID", 0)
                      for name in ("threads", "missing", "ends", "good") if name in sys.modules},
    }


def main():
    way, place = sys.argv[1:3]
    if place:
        Path(place).write_text(json.dumps(found()))
    print("said", flush=True)
    os.chdir("/")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if way == "exit":
        os._exit(7)
    if way == "raise":
        raise ValueError("no")
    if way == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if way == "memory":
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (1, 1))
    if way == "thread":
        threading.Thread(target=lambda: None).start()
    if way == "wait":
        signal.pause()
    sys.exit(0)
"""
# What stands in the place of a SuperExec: `steps` gets how to start app processes.
SUPEREXEC = """\
import gc, json, os, sys, time
from pathlib import Path
from flowerbed.flower.start import apps, hooks, warm, warm_server

hooks.ENTRIES = {"flwr-clientapp": ("stands_in", "main")}
hooks.APPS = {"flwr-clientapp": "stands_in"}
apps.add = lambda program: None
exec("hooks." + os.environ["BROKEN"] if "BROKEN" in os.environ else "")
starter = warm.Starter()


def start(way, place="", given=None, **named):
    words = ["flwr-clientapp", way, str(place), hooks.TOKEN, "TOKEN"]
    return starter(words, given or {}, **named)


def ready():
    while starter._server is not None and not starter._server.ready():
        time.sleep(0.01)


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def gone(pid):
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


if (task := starter.begin()) is None:
STEPS
else:
    task.run()
"""


def superexec(
    folder: Path, steps: str, *, head: str = "", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a process that starts app processes as `steps` say, and return what it wrote."""
    (folder / "stands_in.py").write_text(head + APP)
    body = "".join(f"    {line}\n" for line in steps.splitlines())
    script = folder / "superexec.py"
    script.write_text(SUPEREXEC.replace("STEPS\n", body).replace('"TOKEN"', f'"{TOKEN}"'))
    path = os.pathsep.join([str(folder), str(ROOT / "generator")])
    return subprocess.run(
        [sys.executable, str(script), "--some", "more", "words", "that", "make", "room", "x" * 300],
        env={**os.environ, "PYTHONPATH": path, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
    )


def results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(folder.glob("app-*"))]


@pytest.mark.parametrize(
    ("way", "code"), [("end", 0), ("exit", 7), ("raise", 1), ("kill", -9), ("memory", 0), ("thread", 0)]
)
def test_an_end_is_reported_as_that_of_a_process_of_its_own(tmp_path: Path, way: str, code: int) -> None:
    """With exit code or signal; the fork server goes on, and so does the next app process."""
    steps = f"ready()\nprint(start({way!r}).wait(), start('exit').wait())"
    done = superexec(tmp_path, steps)
    assert done.stdout.splitlines()[-1] == f"{code} 7", done.stderr
    assert done.stdout.count("said") == 2
    assert ("ValueError: no" in done.stderr) == (way == "raise")


def test_a_forked_process_is_like_one_of_its_own(tmp_path: Path) -> None:
    """Arguments, name, signals, folder, descriptors: those of a start; its token is listed nowhere."""
    steps = f"""\
ready()
reading, writing = os.pipe()
process = start("end", {str(tmp_path / "app-1")!r}, {{"GIVEN": writing}})
os.close(writing)
print("pid", process.pid, process.wait(), process.poll(), os.read(reading, 1))
"""
    done = superexec(tmp_path, steps)
    [app] = results(tmp_path)
    assert done.stdout.splitlines()[-1] == f"pid {app['pid']} 0 0 b''", done.stderr
    assert Path(app["arguments"][0]).name == "flwr-clientapp"
    assert app["arguments"][1:] == ["end", str(tmp_path / "app-1"), hooks.TOKEN, TOKEN]
    assert app["name"] == "flwr-clientapp"
    assert app["listed"][1:4] == ["flwr-clientapp", "end", str(tmp_path / "app-1")]
    assert TOKEN not in " ".join(app["listed"])
    assert app["signals"] == [True, True, True]
    assert (app["blocked"], app["threads"], app["directory"]) == ([], 1, str(tmp_path))
    assert app["given"].isdigit()
    # Standard streams and the one descriptor that was given; no socket of the fork server's.
    others = [name for name in app["descriptors"] if "socket" in name]
    assert others == []
    assert len([name for name in app["descriptors"] if name.startswith("pipe")]) <= 3, app["descriptors"]


def test_each_process_has_random_numbers_of_its_own(tmp_path: Path) -> None:
    """Both generators differ in all of them: Python's own and NumPy's global one."""
    steps = f"""\
ready()
for number in range(8):
    start("end", {str(tmp_path)!r} + f"/app-{{number}}").wait()
"""
    done = superexec(tmp_path, steps)
    numbers = [app["random"] for app in results(tmp_path)]
    assert len(numbers) == 8, done.stderr
    assert len({one for one, _ in numbers}) == len({one for _, one in numbers}) == 8


def test_a_hundred_processes_leave_nothing(tmp_path: Path) -> None:
    """No zombie, no open file, in the SuperExec or the fork server, however they ended."""
    steps = """\
ready()
server = starter._server._pid
start("end").wait()
before = open_files("self"), open_files(server)
for number in range(25):
    processes = [start(way) for way in ("end", "exit", "raise", "kill")]
    codes = [process.wait() for process in processes]
    assert codes == [0, 7, 1, -9], codes
after = open_files("self"), open_files(server)
print(json.dumps([before, after, children(server), children(os.getpid()), [str(server)]]))
"""
    done = superexec(tmp_path, steps)
    before, after, zombies, ours, server = json.loads(done.stdout.splitlines()[-1])
    assert before == after
    assert (zombies, ours) == ([], server)


def test_a_quiet_process_says_nothing(tmp_path: Path) -> None:
    """As where Flower gives its output away."""
    steps = "ready()\nnone = {'stdout': warm.subprocess.DEVNULL, 'stderr': warm.subprocess.DEVNULL}\n"
    steps += "print(start('raise', **none).wait())"
    done = superexec(tmp_path, steps)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_processes_end_with_the_fork_server_which_is_started_again(tmp_path: Path) -> None:
    """By SIGKILL, so that none is left; the next one is not forked, and those after a new start are."""
    steps = """\
ready()
process, server = start("wait"), starter._server._pid
os.kill(server, 9)
print(process.wait(), os.path.exists(f"/proc/{server}"))
while not gone(process.pid):
    time.sleep(0.01)
sys.stdout.flush()
try:
    start("end")
except OSError as error:
    print("cold", type(error).__name__)
ready()
print(start("exit").wait(), starter._server._pid != server)
"""
    done = superexec(tmp_path, steps, environment={"PATH": "/nowhere"})
    lines = [line for line in done.stdout.splitlines() if line != "said"]
    assert lines == ["-9 False", "cold FileNotFoundError", "7 True"], done.stderr
    assert "flowerbed: the fork server has ended, and is started again" in done.stderr


def test_a_fork_server_that_ends_again_is_given_up(tmp_path: Path) -> None:
    """Within a minute of its new start; how long it ran before does not count."""
    steps = """\
for _ in range(2):
    ready()
    server = starter._server._pid
    os.kill(server, 9)
    while not gone(server):
        time.sleep(0.01)
    try:
        start("end")
    except OSError as error:
        print("cold", type(error).__name__)
print(starter._server, Path("state").read_text().strip())
"""
    environment = {"PATH": "/nowhere", "FLOWERBED_EXECUTION_STATE": "state"}
    done = superexec(tmp_path, steps, environment=environment)
    lines = done.stdout.splitlines()
    assert lines[:2] == ["cold FileNotFoundError"] * 2, done.stderr
    assert lines[2] == "None stock: the fork server ended twice within a minute"


def test_the_fork_server_ends_after_its_superexec(tmp_path: Path) -> None:
    """However that ended: it ignores SIGTERM and waits until its processes have ended."""
    steps = """\
ready()
server = starter._server._pid
os.kill(server, 15)
print(server, start("exit").wait(), flush=True)
os.kill(os.getpid(), 9)
"""
    done = superexec(tmp_path, steps)
    server, code = done.stdout.splitlines()[-1].split()
    assert code == "7"
    assert done.returncode == -9
    for _ in range(600):
        if not Path(f"/proc/{server}").exists():
            return
        subprocess.run(["sleep", "0.05"], check=True)
    raise AssertionError("the fork server is left")


def test_a_library_that_starts_threads_is_left_out(tmp_path: Path) -> None:
    """So is one that is missing or ends the process; others are there before the fork, once."""
    (tmp_path / "threads.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    (tmp_path / "ends.py").write_text("import os\nos._exit(3)\n")
    (tmp_path / "good.py").write_text("import os\nPID = os.getpid()\n")
    steps = f"ready()\nprint(starter._server._pid, start('end', {str(tmp_path / 'app-1')!r}).wait())"
    names = {warm_server.PRELOAD: "threads,missing,ends,good"}
    done = superexec(tmp_path, steps, environment=names)
    server, code = done.stdout.splitlines()[-1].split()
    assert code == "0", done.stderr
    assert results(tmp_path)[0]["preloaded"] == {"good": int(server)}
    assert "threads is not preloaded: RuntimeError: a process with more than one thread" in done.stderr
    assert "missing is not preloaded: ModuleNotFoundError" in done.stderr
    assert "ends is not preloaded: its import ended the process" in done.stderr
    assert "good is not preloaded" not in done.stderr


def test_a_superexec_with_threads_forks_nothing(tmp_path: Path) -> None:
    """It goes on in Flower's own way and says why, once, also in the file that `status` reads."""
    head = "import threading\nwait = threading.Event().wait\n"
    head += "threading.Thread(target=wait, name='busy', daemon=True).start()\n"
    steps = "print(starter._server, Path('state').read_text().strip())"
    done = superexec(tmp_path, steps, head=head, environment={"FLOWERBED_EXECUTION_STATE": "state"})
    reason = "a process with more than one thread cannot be forked (busy)"
    assert done.stdout.strip() == f"None stock: {reason}", done.stderr
    assert done.stderr.count(f"flowerbed: app processes are started in Flower's own way: {reason}") == 1


def test_a_platform_without_such_forks_uses_flowers_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is given."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(RuntimeError, match="only Linux"):
        warm_server.check_platform()


def test_torch_is_seeded_by_its_own_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only that of the CPU: CUDA's begins alike in every process of Flower's, too."""

    class Generator:
        seeded = 0

        def seed(self) -> None:
            Generator.seeded += 1

    class Torch:
        default_generator = Generator()

    monkeypatch.setitem(sys.modules, "torch", Torch())
    warm_server.reseed()
    assert Generator.seeded == 1


@pytest.mark.parametrize(
    "broken",
    [
        "ENTRIES['flwr-clientapp'] = ('stands_in', 'moved')",
        "ENTRIES['flwr-clientapp'] = ('moved', 'main')",
        "APPS['flwr-clientapp'] = 'moved'",
        "LATE = ('moved',)",
    ],
)
def test_a_name_that_moved_is_flowers_own_way(tmp_path: Path, broken: str) -> None:
    """Of each program and of what it imports; the log and the file that `status` reads say so."""
    steps = "print(starter._server, Path('state').read_text().strip())"
    environment = {"FLOWERBED_EXECUTION_STATE": "state", "BROKEN": broken}
    done = superexec(tmp_path, steps, environment=environment)
    assert done.stdout.startswith("None stock: "), done.stderr
    assert "moved" in done.stdout
    assert done.stderr.startswith("flowerbed: app processes are started in Flower's own way: ")


@pytest.mark.parametrize("entry", [("moved", "flower_superexec"), ("flwr.supercore.cli", "moved")])
def test_a_superexec_that_moved_is_flowers_own(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    entry: tuple[str, str],
) -> None:
    """What its script calls cannot be replaced, so it starts no fork server."""
    monkeypatch.setitem(hooks.ENTRIES, hooks.SUPEREXEC_PROGRAM, entry)
    monkeypatch.setenv("FLOWERBED_EXECUTION_STATE", str(tmp_path / "state"))
    warm.superexec(warm.Starter())
    said = "app processes are started in Flower's own way: this version of Flower differs"
    assert f"flowerbed: {said}" in capsys.readouterr().err
    assert (tmp_path / "state").read_text().strip() == "stock: this version of Flower differs"


@pytest.mark.parametrize("name", sorted(hooks.ENTRIES))
def test_flowers_programs_are_where_they_are_called(name: str) -> None:
    """In the installed Flower."""
    assert callable(hooks.entry(name))
