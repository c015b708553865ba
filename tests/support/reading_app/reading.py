"""An app that looks for what belongs to others: files by what is in them, processes by /proc.

`stay` > 0: both sides leave a file, and the ServerApp stays for so many seconds, to be the other run. Else
both look. A SuperNode of flwr 1.41 runs one ClientApp at a time, so none can stay there. `below` is where
they look: the root of a container, or the folder of a local federation.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp

server, client = ServerApp(), ClientApp()
SYSTEM = ("/proc", "/sys", "/dev", "/usr", "/lib", "/lib64", "/bin", "/sbin", "/boot", "/python", "/etc")
LARGEST = 1_000_000  # bytes of a file that is looked into
LEFT = "what this run has left: "
OWN_CODE = "An app that looks for what belongs to others"
SQLITE = b"SQLite format 3\0"


def files(below: str) -> Iterator[tuple[Path, bytes]]:
    """Yield every readable small file and its content, those of the system left out."""
    for folder, folders, names in os.walk(below):
        folders[:] = [name for name in folders if str(Path(folder, name)) not in SYSTEM]
        for path in (Path(folder, name) for name in names):
            try:
                if path.is_file():
                    with path.open("rb") as file:
                        yield path, file.read(LARGEST)
            except OSError:
                continue


def processes(below: str) -> Iterator[tuple[list[str], bool]]:
    """Yield the command line of every other process here, and whether its environment can be read.

    A probe that the kubelet runs in the container comes and goes, and knows no more than the container's
    own environment: it is no process of another's.
    """
    mine = {os.getpid(), os.getppid()} if is_app(Path("/proc", str(os.getppid()))) else {os.getpid()}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if int(folder.name) in mine or is_probe(folder):
            continue
        if below not in " ".join(words) + environment(folder):
            continue
        yield words, bool(environment(folder))


def is_app(process: Path) -> bool:
    """Return whether a process is one of Flower's app processes; a container's first has no parent here."""
    try:
        words = (process / "cmdline").read_text()
    except OSError:
        return False
    return "flwr-serverapp" in words or "flwr-clientapp" in words


def is_probe(process: Path) -> bool:
    """Return whether a process was put into the container from outside: it has no parent here."""
    try:
        status = (process / "status").read_text()
    except OSError:
        return False
    return process.name != "1" and "\nPPid:\t0\n" in status


def environment(process: Path) -> str:
    """Return a process's environment, "" if it cannot be read."""
    try:
        return (process / "environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def looked(below: str, run: int) -> dict[str, bool]:
    """Return what of others can be read here, by its name."""
    found = list(files(below))
    others = list(processes(below))
    keys = {content for _, content in found if b"BEGIN OPENSSH PRIVATE KEY" in content[:100]}
    return {
        "the SuperExec's secret": any(path.name == "secret" and content for path, content in found),
        "a node's private key": bool(keys),
        "another node's private key": len(keys) > 1,
        "a private key of TLS": any(path.suffix == ".key" and b"PRIVATE KEY" in text for path, text in found),
        "the SuperLink's state": any(content.startswith(SQLITE) for _, content in found),
        "a token of the Kubernetes API": any(path.match("serviceaccount/token") for path, _ in found),
        "the token of another running app": any("--token" in words for words, _ in others),
        "the environment of another process": any(readable for _, readable in others),
        "code of another run": len(codes(found)) > 1,
        "files that another run left": any(
            path.name == "left.txt" and f"{LEFT}{run}" not in content.decode() for path, content in found
        ),
    }


def codes(found: list[tuple[Path, bytes]]) -> set[Path]:
    """Return the folders in which this app's code was unpacked; each run's differs by its version."""
    return {
        path.parent for path, content in found if path.suffix == ".py" and OWN_CODE.encode() in content[:200]
    }


def leave(run: int) -> None:
    """Leave a file in the folder where the app runs, or where it may write."""
    folder = Path() if os.access(".", os.W_OK) else Path(tempfile.gettempdir())
    (folder / "left.txt").write_text(f"{LEFT}{run}")


@server.main()
def main(grid, context) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Ask every node, then look or stay; print what was read as one line of JSON."""
    config = context.run_config
    ask = RecordDict({"ask": ConfigRecord({"below": config["below"], "stay": config["stay"]})})
    messages = [Message(ask, dst_node_id=node, message_type="query") for node in grid.get_node_ids()]
    answers = [answer for answer in grid.send_and_receive(messages, timeout=240) if answer.has_content()]
    if config["stay"]:
        leave(context.run_id)
        print("it stays", flush=True)  # noqa: T201
        time.sleep(config["stay"])
        return
    replies = [answer.content["found"] for answer in answers]
    found = {str(reply["place"]): json.loads(reply["read"]) for reply in replies}
    found["server"] = looked(config["below"], context.run_id)
    print("READ " + json.dumps(found), flush=True)  # noqa: T201


@client.query()
def query(message, context) -> Message:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Look, or leave a file, as it is asked."""
    asked = message.content["ask"]
    if asked["stay"]:
        leave(context.run_id)
        return Message(RecordDict(), reply_to=message)
    read = json.dumps(looked(asked["below"], context.run_id))
    place = str(context.node_config["place"])
    return Message(RecordDict({"found": ConfigRecord({"place": place, "read": read})}), reply_to=message)
