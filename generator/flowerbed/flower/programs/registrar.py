"""Keep a SuperLink's list of nodes as it is declared: register what is new, unregister what is gone.

Reads a JSON file of node names and public keys (SubjectPublicKeyInfo PEM) and talks to the SuperLink itself,
past the gateway. Runs until SIGTERM; `--once` compares a single time. Needs the package around it and `flwr`.

With admission `listed` every node whose key is not declared, or is revoked, is unregistered. That is final
(flwr 1.41), so a list that is empty or damaged unregisters only nodes whose keys were revoked by name, and a
list that lost more than half of its nodes waits until `--max-removals` allows their number.
"""

from __future__ import annotations

import argparse
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..client import FlowerClient, flwr_without_init
from ..connection import Connection
from ..errors import FlowerbedError, RefusedError, UnreachableError
from ..text import write
from .registrar_lists import HELD_BACK, Declared, Report, Sources, digest, fingerprint

# Flower's error codes (flwr 1.41: supercore/error/base.py).
KEY_NOT_VALID = 22
KEY_IN_USE = 23
UNREGISTERED = "unregistered"
LOOK = 1.0  # seconds between two looks at the file
Compare = Callable[[], bool | None]
RETRY = 1.0  # seconds until the next try while the SuperLink is away


@dataclass(frozen=True, slots=True)
class Known:
    """A node as the SuperLink knows it; `key` is the PEM text that it registered with."""

    node_id: int
    name: str
    key: str
    status: str


class Registrar:
    """Compares the declared keys with the SuperLink's nodes and makes them equal."""

    def __init__(self, client: FlowerClient, report: Report, *, listed: bool) -> None:
        self.client = client
        self.report = report
        self.listed = listed

    def reconcile(self, declared: Declared) -> bool:
        """Make the SuperLink's list the declared one; return whether it is. Raises UnreachableError."""
        known = self.nodes()
        done = [self._admit(name, key, known.get(key)) for name, key in declared.keys.items()]
        keys = set(declared.keys.values())
        here = [node for node in known.values() if node.status != UNREGISTERED]
        revoked = [node for node in here if digest(node.key) in declared.revoked]
        strangers = [node for node in here if node.key not in keys and node not in revoked]
        done += [self._expel(node, "its key was revoked") for node in revoked]
        if self.listed and strangers:
            done.append(self._remove(strangers, declared))
        return all(done) and declared.whole

    def _remove(self, strangers: list[Known], declared: Declared) -> bool:
        """Unregister nodes that are not declared, unless that looks like a mistake."""
        if not declared.whole or not declared.keys:
            names = _names(strangers)
            self.report.trouble("list empty or damaged", unregistered="nobody", not_declared=names)
            return False
        # Only the registrar gives names: the list never had the others, which registered themselves.
        lost = [node for node in strangers if node.name]
        known = len(lost) + len(declared.keys)
        if declared.removals is not None and len(lost) > max(known / 2, declared.removals):
            reason = f"{len(lost)} of {known} nodes are not declared any more, which is more than half"
            self.report.trouble(HELD_BACK, reason=reason, unregistered="nobody", not_declared=_names(lost))
            strangers = [node for node in strangers if not node.name]
        else:
            lost = []
        done = [self._expel(node, "its key is not declared") for node in strangers]
        return all(done) and not lost

    def nodes(self) -> dict[str, Known]:
        """Return every node that the SuperLink has, the unregistered ones too, by its key."""
        with flwr_without_init():
            from flwr.proto.control_pb2 import ListNodesRequest, ListNodesResponse
        answer = self.client.call("control/list-nodes", ListNodesRequest(), ListNodesResponse)
        nodes = (
            Known(node.node_id, node.name, node.public_key.decode(errors="replace"), node.status)
            for node in answer.nodes_info
        )
        return {node.key: node for node in nodes}

    def _admit(self, name: str, key: str, found: Known | None) -> bool:
        if found is None:
            return self._register(name, key)
        if found.status == UNREGISTERED:
            return self._lost(name, key)
        if found.name != name:
            self.report.trouble("name differs", node=name, registered_as=found.name, key=fingerprint(key))
        return True

    def _register(self, name: str, key: str) -> bool:
        with flwr_without_init():
            from flwr.proto.control_pb2 import RegisterNodeRequest, RegisterNodeResponse
        request = RegisterNodeRequest(public_key=key.encode(), name=name)
        try:
            answer = self.client.call("control/register-node", request, RegisterNodeResponse)
        except RefusedError as refusal:
            if refusal.code == KEY_IN_USE:
                return self._lost(name, key)
            remedy = "use an EC key on P-256, P-384 or P-521" if refusal.code == KEY_NOT_VALID else ""
            facts = {"node": name, "key": fingerprint(key), "reason": refusal.detail, "remedy": remedy}
            self.report.trouble("not registered", **facts)
            return False
        self.report.tell("registered", node=name, key=fingerprint(key), node_id=str(answer.node_id))
        return True

    def _lost(self, name: str, key: str) -> bool:
        reason = "this key was unregistered before, and a SuperLink never takes such a key again"
        remedy = "give the node a new key, or the key only one name"
        self.report.trouble("not registered", node=name, key=fingerprint(key), reason=reason, remedy=remedy)
        return False

    def _expel(self, node: Known, reason: str) -> bool:
        with flwr_without_init():
            from flwr.proto.control_pb2 import UnregisterNodeRequest, UnregisterNodeResponse
        facts = {"node": node.name, "key": fingerprint(node.key), "node_id": str(node.node_id)}
        request = UnregisterNodeRequest(node_id=node.node_id)
        try:
            self.client.call("control/unregister-node", request, UnregisterNodeResponse)
        except RefusedError as refusal:
            self.report.trouble("not unregistered", **facts, reason=refusal.detail)
            return False
        self.report.tell("unregistered", **facts, reason=reason)
        return True


def _names(nodes: Sequence[Known]) -> str:
    return textwrap.shorten(", ".join(node.name or str(node.node_id) for node in nodes), 1000)


def attempt(registrar: Registrar, sources: Sources) -> bool | None:
    """Compare once: True or False as the lists agree now or not, None when the SuperLink is away."""
    registrar.report.begin()
    declared = sources.read(registrar.report)
    try:
        return registrar.reconcile(declared)
    except UnreachableError as error:
        registrar.report.trouble("waiting", reason=error.what)
        return None
    except RefusedError as error:
        registrar.report.trouble("refused", reason=error.what)
        return False
    finally:
        registrar.report.end()


def state_of(file: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is replaced or written, None when it is not there."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def watch(compare: Compare, files: Sequence[Path], interval: float, stop: threading.Event) -> None:
    """Compare at the start, whenever a file changed, and every `interval` seconds, until `stop` is set."""
    seen: list[tuple[int, int, int] | None] = []
    due = 0.0
    while not stop.is_set():
        now = [state_of(file) for file in files]
        if now != seen or time.monotonic() >= due:
            seen = now
            due = time.monotonic() + (RETRY if compare() is None else interval)
        stop.wait(min(LOOK, max(0.05, due - time.monotonic())))


def arguments() -> argparse.ArgumentParser:
    """Return the command line; flags that Flower has too are named as Flower names them."""
    parser = argparse.ArgumentParser(prog="registrar.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=Path, required=True, metavar="FILE", help="JSON: node name to key")
    parser.add_argument("--revoked", type=Path, metavar="FILE", help="SHA-256 of a key a line: unregister it")
    parser.add_argument("--revoked-users", type=Path, metavar="FILE", help="NAME YYMMDDHHMMSS a line: kept")
    parser.add_argument("--kept", type=Path, metavar="DIRECTORY", help="keep revocations here; it only grows")
    parser.add_argument(
        "--max-removals",
        type=Path,
        metavar="FILE",
        help="holds how many nodes may go at once although they are more than half; default: no limit",
    )
    parser.add_argument("--superlink", required=True, metavar="HOST:PORT", help="the SuperLink itself")
    parser.add_argument("--root-certificates", type=Path, metavar="FILE", help="the SuperLink's CA")
    parser.add_argument("--insecure", action="store_true", help="connect without TLS (plain HTTP)")
    parser.add_argument("--admission", choices=("listed", "open"), default="listed")
    parser.add_argument("--interval", type=float, default=60.0, metavar="SECONDS", help="default: 60")
    parser.add_argument("--once", action="store_true", help="compare once: exit 0 when the lists agree")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run; return 0, 1 when `--once` left a difference, 2 for wrong usage, 3 when nobody answers."""
    options = arguments().parse_args(argv)
    report = Report()
    try:
        connection = Connection(
            address=options.superlink,
            insecure=options.insecure,
            root_certificates=options.root_certificates,
        )
        client = FlowerClient(connection)
    except FlowerbedError as error:
        write(sys.stderr, f"error: {error}\n")
        return error.exit_code
    registrar = Registrar(client, report, listed=options.admission == "listed")
    sources = Sources(
        options.nodes, options.revoked, options.revoked_users, options.kept, options.max_removals
    )
    if options.once:
        return {True: 0, False: 1, None: 3}[attempt(registrar, sources)]
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def compare() -> bool | None:
        try:
            return attempt(registrar, sources)
        finally:
            client.close()  # a connection that idles would hold up the SuperLink when it is to end

    watch(compare, sources.watched, options.interval, stop)
    report.tell("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
