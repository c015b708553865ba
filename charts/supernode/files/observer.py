"""Start flower-supernode in this process and note what its SuperLink answers; tell the kubelet's probes.

    observer.py FLAGS OF FLOWER-SUPERNODE...   starts it
    observer.py ready                          ends with 0 while the SuperLink counts the node as online
    observer.py alive                          ends with 1 when the SuperNode has given up trying

The SuperLink calls a node online for two heartbeat intervals after a heartbeat that it acknowledged (flwr
1.41: common/constant.py), so that is what `ready` asks for. After some answers a SuperNode stops asking for
work, or stops its heartbeats, while its process goes on: `alive` looks for tries, not for successes, so that
an unreachable SuperLink restarts nothing. The notes lie below $FLOWERBED_STATE, the same for all three.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

ONLINE_SECONDS = 60.0  # 2 x HEARTBEAT_DEFAULT_INTERVAL
# A try lasts up to 30 s and the pause after it up to 20 s; a slow upload of one piece may take minutes.
GIVEN_UP_SECONDS = 300.0
FLEET = "/v1/fleet/"
# Acknowledged, these two make a node online.
ONLINE_CALLS = frozenset({"activate-node", "send-node-heartbeat"})
KEY_FLAG = "--auth-supernode-private-key"
# From scripts/supernode.py: when the node may become online, in seconds of the monotonic clock.
ONLINE_FROM = "FLOWERBED_ONLINE_FROM"
WAITING = "waiting for the SuperLink to let this node in"


class Notes:
    """What the observer notes and the probes read: one small file each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self) -> None:
        """Forget the process before this one. The probes tell the two apart by pid and start time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in self.folder.iterdir():
            file.unlink()
        for name in ("worker", "heartbeat"):
            self.mark(name)
        (self.folder / "process").write_text(process(os.getpid()))

    def mark(self, name: str) -> None:
        """Note that `name` happened now."""
        # The system's monotonic clock is the same for every process, and no clock correction moves it.
        (self.folder / name).write_text(f"{time.monotonic():.1f}")

    def age(self, name: str) -> float:
        """Return the seconds since `name` happened, infinite if it never did."""
        try:
            return time.monotonic() - float((self.folder / name).read_text())
        except FileNotFoundError:
            return float("inf")
        except ValueError:  # being written at this moment
            return 0.0

    def problem(self, text: str) -> None:
        """Note the last thing that went wrong."""
        (self.folder / "problem").write_text(text)

    def read(self, name: str) -> str:
        """Return a note's text, "" if there is none."""
        try:
            return (self.folder / name).read_text().strip()
        except OSError:
            return ""

    def running(self) -> bool:
        """Return whether the process that was noted still runs."""
        noted = self.read("process")
        return bool(noted) and noted == process(int(noted.split()[0]))


def process(pid: int) -> str:
    """Return the pid and start time of a process, which no later process shares; "" if there is none."""
    try:
        # Fields are counted behind the name, which may hold spaces: the 22nd is the start (proc(5)).
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
    return f"{pid} {started}"


def observe(notes: Notes) -> None:
    """Note each call on the Fleet API that this process makes through httpx."""
    import httpx

    send = httpx.Client.send

    def noted(client: httpx.Client, request: httpx.Request, **options: object) -> httpx.Response:
        path = request.url.path
        if not path.startswith(FLEET):
            return send(client, request, **options)  # type: ignore[arg-type]
        call = path.removeprefix(FLEET)
        if call == "activate-node":
            stay_offline()
        kind = "heartbeat" if call == "send-node-heartbeat" else "worker"
        notes.mark(kind)
        try:
            response = send(client, request, **options)  # type: ignore[arg-type]
        except httpx.HTTPError as error:
            notes.problem(f"{call}: {type(error).__name__}: {error}")
            raise
        notes.mark(kind)
        if not response.is_success:
            notes.problem(f"{call}: HTTP {response.status_code}")
        elif call in ONLINE_CALLS:
            notes.mark("online")
        return response

    httpx.Client.send = noted  # type: ignore[method-assign,assignment]


def stay_offline() -> None:
    """Wait until the node may become online: the ServerApp is to see first that it was not."""
    moment = float(os.environ.pop(ONLINE_FROM, "0"))
    time.sleep(max(0.0, moment - time.monotonic()))


def check_key(arguments: list[str]) -> None:
    """End the program if the key's file is not there: where Flower would only show a traceback."""
    for argument in arguments:
        flag, _, file = argument.partition("=")
        # Kubernetes mounts an entry that a Secret lacks as an empty folder.
        if flag == KEY_FLAG and not Path(file).is_file():
            node = os.environ.get("FLOWERBED_NODE", "this pod")
            sys.exit(
                f"error: the Secret with the node keys has no entry {node}; the entry is named as the pod"
            )


def start(notes: Notes, arguments: list[str]) -> None:
    """Become flower-supernode, observed."""
    from importlib.metadata import entry_points

    check_key(arguments)
    notes.begin()
    observe(notes)
    (command,) = entry_points(group="console_scripts", name="flower-supernode")
    sys.argv[0] = "flower-supernode"
    sys.exit(command.load()())


def ready(notes: Notes, reason: Path) -> str:
    """Return "" while the node is online, else why it is not."""
    if not notes.running():
        try:
            return reason.read_text().strip() or WAITING
        except OSError:
            return WAITING
    silent = notes.age("online")
    if silent < ONLINE_SECONDS:
        return ""
    since = "yet" if silent == float("inf") else f"for {silent:.0f} s"
    problem = notes.read("problem")
    return f"the SuperLink acknowledged no heartbeat {since}" + (
        f"; last problem: {problem}" if problem else ""
    )


def alive(notes: Notes) -> str:
    """Return "" while the SuperNode tries, else what it stopped doing."""
    if not notes.running():
        return ""
    for name, deed in (("worker", "asked for work"), ("heartbeat", "sent a heartbeat")):
        if (silent := notes.age(name)) > GIVEN_UP_SECONDS:
            return f"the SuperNode has not {deed} for {silent:.0f} s; last problem: {notes.read('problem')}"
    return ""


def main(arguments: list[str]) -> int:
    """Start flower-supernode, or answer a probe; return the exit code."""
    state = Path(os.environ["FLOWERBED_STATE"])
    notes = Notes(state / "observed")
    if arguments[:1] not in (["ready"], ["alive"]):
        start(notes, arguments)
    verdict = ready(notes, state / "reason") if arguments[0] == "ready" else alive(notes)
    if verdict:
        print(verdict)
    return int(bool(verdict))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
