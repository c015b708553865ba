"""What ClientApps do to their processes harms no later task; what a kill in a round leads to."""

from __future__ import annotations

import json
import operator
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.apps import PYPROJECT, write_app
from support.local_federation import (
    HOSPITALS,
    declare,
    foreground,
    health,
    kill,
    run,
    until,
    until_gone,
    until_online,
)

SERVER = """\
import json

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import ServerApp

app = ServerApp()


@app.main()
def main(grid, context):
    found = []
    for way in str(context.run_config["ways"]).split():
        content = RecordDict({"way": ConfigRecord({"way": way})})
        nodes = sorted(grid.get_node_ids())
        asked = [Message(content, dst_node_id=node, message_type="query") for node in nodes]
        replies = list(grid.send_and_receive(asked, timeout=200))
        errors = sorted(one.error.reason for one in replies if one.has_error())
        states = sorted(str(one.content["own"]["state"]) for one in replies if not one.has_error())
        found.append([way, errors, states])
    print("found:", json.dumps(found), flush=True)
"""
CLIENT = """\
import json
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()
STATE = {}


def state(context):
    descriptors = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
                   if os.path.exists(f"/proc/self/fd/{n}")]
    return {
        "site": context.node_config["site"],
        "directory": os.getcwd(),
        "environment": sorted(os.environ),
        "umask": os.umask(0o077),
        "nice": os.nice(0),
        "limit": resource.getrlimit(resource.RLIMIT_AS),
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "signals": [str(signal.getsignal(n)).split(" at ")[0] for n in (2, 10, 15, 17)],
        "threads": sorted(thread.name.split("-")[0] for thread in threading.enumerate()),
        "children": Path(f"/proc/self/task/{os.getpid()}/children").read_text(),
        "pipes": sum(one.startswith("pipe") for one in descriptors),
        "module": [STATE, getattr(json, "left", 0)],
        "path": sys.path,
    }


def memory():
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26))
    bytearray(2**30)


def forks():
    for _ in range(5):
        if not os.fork():
            time.sleep(1)
            os._exit(9)


def threads():
    for _ in range(20):
        threading.Thread(target=threading.Event().wait, name="left", daemon=True).start()


def changes():
    os.chdir("/")
    os.umask(0)
    os.nice(5)
    os.environ["LEFT"] = "1"
    STATE["left"] = 1
    json.left = 1
    sys.path.insert(0, "/left")


def signals():
    for number in (2, 10, 15, 17):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [1, 10, 12])


def ends():
    os._exit(3)


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


@app.query()
def query(message, context):
    way = message.content["way"]["way"]
    if "/" in way:
        Path(way, f"{context.node_config['site'][:1]}-{os.getpid()}").touch()
        while not Path(way, "go").exists():
            time.sleep(0.1)
    own = json.dumps(state(context), sort_keys=True)
    if way in globals():
        globals()[way]()
    return Message(RecordDict({"own": ConfigRecord({"state": own})}), reply_to=message)
"""
FILES = {
    "pyproject.toml": PYPROJECT + '\nways = "well"\n',
    "tiny/server.py": SERVER,
    "tiny/client.py": CLIENT,
}
# What the replies say of both nodes; of others both replies are good.
ERRORS = {
    "memory": "MemoryError",
    "ends": "the process of the ClientApp ended with exit code 3",
    "killed": "the process of the ClientApp was ended by SIGKILL",
}


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the declaration of a federation that is up, one node with each isolation."""
    file = declare(tmp_path_factory.mktemp("fast"), HOSPITALS)
    with foreground(file) as process:
        until_online(file, process)
        yield file


def found(file: Path, app: Path, ways: str) -> list[tuple[str, list[str], list[str]]]:
    """Run the app and return what it found for each way: the errors, and the state of each good process."""
    done = run("submit", app, "-f", file, "--set", f'ways="{ways}"', limit=400)
    [text] = re.findall(r"found: (.*)", done.stderr) or [done.stderr]
    return [(way, errors, states) for way, errors, states in json.loads(text)]


def test_no_task_harms_a_later_one(fast: Path, tmp_path: Path) -> None:
    """Memory, forks, threads, directory, signals, sudden ends: the next task finds none of it."""
    app = write_app(tmp_path / "app", FILES)
    ways = ["well"]
    for way in ("memory", "forks", "threads", "changes", "signals", "ends", "killed"):
        ways += [way, "well"]
    answers = found(fast, app, " ".join(ways))
    assert [way for way, _, _ in answers] == ways
    first = answers[0][2]
    assert len(first) == 2
    for way, errors, states in answers:
        if way in ERRORS:
            assert len(errors) == 2, (way, errors, states)
            assert all(ERRORS[way] in error for error in errors), (way, errors)
        else:
            assert (way, errors) == (way, [])
            assert states == first, way
    assert [text for text in health(fast).warnings if "Flower's own way" in text] == []


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, zombies included."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def tree(pid: int) -> list[int]:
    """Return a process and all below it."""
    return [pid, *(one for child in children(pid) for one in tree(child))]


def footprint(file: Path) -> dict[str, tuple[int, int, int]]:
    """Return processes, open files and memory (PSS, kB) of what starts apps, by part."""
    answer = {}
    for part in health(file).parts:
        if part.name in ("superlink", "gateway", "registrar"):
            continue
        pids = tree(part.pid)
        files = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
        memory = sum(int(re.findall(r"^Pss: +(\d+) kB", text, re.MULTILINE)[0]) for text in rollups)
        answer[part.name] = (len(pids), files, memory)
    return answer


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the open files of a SuperExec")
def test_two_hundred_tasks_leave_nothing(fast: Path, tmp_path: Path) -> None:
    """No process, no open file; memory is what it was after the first ones, within 5 %."""
    app = write_app(tmp_path / "app", FILES)
    found(fast, app, " ".join(["well"] * 10))
    before = footprint(fast)
    for _ in range(4):
        found(fast, app, " ".join(["well"] * 24 + ["ends"]))

    def grown() -> list[str]:
        after = footprint(fast)
        most = {
            name: (processes, files, 1.05 * memory) for name, (processes, files, memory) in before.items()
        }
        return [name for name, now in after.items() if any(map(operator.gt, now, most[name]))]

    # The last task's connection is closed a moment after its run has ended.
    until(lambda: not grown(), 20, f"no growth: {grown()} of {before}")


def computing(file: Path, app: Path, pids: Path) -> tuple[str, dict[str, int]]:
    """Start a run; return its id and its ClientApps' processes by site's first letter, once both compute."""
    until(lambda: health(file).healthy, 60, "all well")
    pids.mkdir()
    run_id = run("submit", app, "-f", file, "--detach", "--set", f'ways="{pids}"').stdout.split()[0]
    until(lambda: len(list(pids.iterdir())) == 2, 120, "both ClientApps")
    return run_id, {one.name[0]: int(one.name[2:]) for one in pids.iterdir()}


@pytest.mark.parametrize(
    "name", ["hospitals-north-0", "hospitals-west-0", "hospitals-west-0-superexec", "superexec"]
)
def test_a_part_that_is_killed_in_a_round(fast: Path, tmp_path: Path, name: str) -> None:
    """It and all that it forked end; it starts again; the run ends, and the next one completes."""
    app = write_app(tmp_path / "app", FILES)
    run_id, apps = computing(fast, app, tmp_path / "pids")
    [part] = [one for one in health(fast).parts if one.name == name]
    below = tree(part.pid)
    kill(part.pid)
    until(lambda: not [pid for pid in below if Path(f"/proc/{pid}").exists()], 20, "the end of all below it")
    (tmp_path / "pids" / "go").touch()
    done = run("attach", run_id, "-f", fast, limit=400)
    if name == "superexec":  # the ServerApp ended with it
        assert done.returncode == 1, done.stderr
    else:
        [text] = re.findall(r"found: (.*)", done.stderr)
        [[_, errors, states]] = json.loads(text)
        assert (len(errors), len(states)) == (1, 1), errors
        if name != "hospitals-west-0":  # whose ClientApps are its SuperExec's
            assert apps["H" if "north" in name else "w"] in below
    until(lambda: health(fast).healthy, 60, "all well again")
    [[_, errors, states]] = found(fast, app, "well")
    assert (errors, len(states)) == ([], 2)


def test_nothing_is_left_when_it_goes_down(tmp_path: Path) -> None:
    """In the middle of a round: no fork server, SuperExec or app outlives it."""
    file = declare(tmp_path / "federation", HOSPITALS)
    with foreground(file) as process:
        until_online(file, process)
        _, apps = computing(file, write_app(tmp_path / "app", FILES), tmp_path / "pids")
        assert len(apps) == 2
        assert run("down", file).returncode == 0
        until_gone(file)
    assert not [pid for pid in apps.values() if Path(f"/proc/{pid}").exists()]
