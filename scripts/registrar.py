#!/usr/bin/env python3
"""Keep a SuperLink's list of nodes as it is declared: register what is new, unregister what is gone.

Reads a JSON file of node names and public keys (SubjectPublicKeyInfo PEM) and talks to the SuperLink itself,
past the gateway. Runs until SIGTERM; `--once` compares a single time. Needs the files beside it and `flwr`.

With admission `listed` every node whose key is not declared, or is revoked, is unregistered. That is final
(flwr 1.41), so a list that is empty or damaged unregisters nobody whose key was not revoked by name.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from .flower_client import FlowerClient, flwr_without_init
    from .flower_connection import Connection, Refused, SubmitError, Unreachable
else:  # lying beside the program that runs
    from flower_client import FlowerClient, flwr_without_init
    from flower_connection import Connection, Refused, SubmitError, Unreachable

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


@dataclass(slots=True)
class Report:
    """Prints events as JSON lines; a trouble is told once, and again only after it had gone away."""

    troubles: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)

    def tell(self, event: str, **facts: str) -> None:
        """Print what was done."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        print(json.dumps({"time": moment, "event": event, **facts}, ensure_ascii=False), flush=True)

    def trouble(self, event: str, **facts: str) -> None:
        """Print what stands in the way, unless it has been said already."""
        line = json.dumps([event, facts])
        self.troubles.add(line)
        if line not in self.told:
            self.tell(event, **facts)

    def begin(self) -> None:
        """Start a new comparison."""
        self.told, self.troubles = self.troubles, set()


def fingerprint(key: str) -> str:
    """Return the first 16 hex digits of the SHA-256 of a PEM text: what logs may say of a key."""
    return digest(key)[:16]


def digest(key: str) -> str:
    """Return the SHA-256 of a PEM text, in hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


def canonical(key: str) -> str:
    """Return a public key as Flower writes it: keys are compared byte by byte. Raises ValueError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        parsed = serialization.load_pem_public_key(key.encode())
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return parsed.public_bytes(serialization.Encoding.PEM, spki).decode()


@dataclass(frozen=True, slots=True)
class Declared:
    """Keys by node name, canonical; `whole` unless one was left out; `revoked` SHA-256s, which go before."""

    keys: dict[str, str]
    whole: bool
    revoked: frozenset[str] = frozenset()


def read_revoked(file: Path | None) -> frozenset[str]:
    """Return the fingerprints in a file, one a line; none where there is no file."""
    return frozenset(file.read_text(errors="replace").split("\n") if file and file.exists() else ())


def read_list(file: Path, report: Report, revoked_file: Path | None = None) -> Declared | None:
    """Return what is declared, or None when the file cannot be used at all."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        report.trouble("list not usable", file=str(file), reason=str(error))
        return None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found.values()):
        report.trouble("list not usable", file=str(file), reason="it must map node names to public keys")
        return None
    keys: dict[str, str] = {}
    for name, key in found.items():
        try:
            keys[name] = canonical(key)
        except ValueError:
            report.trouble("not registered", node=name, reason="what is declared is not a public key in PEM")
    revoked = read_revoked(revoked_file)
    left = {name: key for name, key in keys.items() if digest(key) not in revoked}
    return Declared(left, len(keys) == len(found), revoked)


class Registrar:
    """Compares the declared keys with the SuperLink's nodes and makes them equal."""

    def __init__(self, client: FlowerClient, report: Report, *, listed: bool) -> None:
        self.client = client
        self.report = report
        self.listed = listed

    def reconcile(self, declared: Declared) -> bool:
        """Make the SuperLink's list the declared one; return whether it is. Raises Unreachable."""
        known = self.nodes()
        done = [self._admit(name, key, known.get(key)) for name, key in declared.keys.items()]
        keys = set(declared.keys.values())
        here = [node for node in known.values() if node.status != UNREGISTERED]
        revoked = [node for node in here if digest(node.key) in declared.revoked]
        strangers = [node for node in here if node.key not in keys and node not in revoked]
        done += [self._expel(node, "its key was revoked") for node in revoked]
        if self.listed and strangers and declared.whole and keys:
            done += [self._expel(node, "its key is not declared") for node in strangers]
        elif self.listed and strangers:
            names = ", ".join(node.name or str(node.node_id) for node in strangers)
            self.report.trouble("list empty or damaged", unregistered="nobody", not_declared=names)
            return False
        return all(done) and declared.whole

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
        except Refused as refusal:
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
        except Refused as refusal:
            self.report.trouble("not unregistered", **facts, reason=refusal.detail)
            return False
        self.report.tell("unregistered", **facts, reason=reason)
        return True


def attempt(registrar: Registrar, file: Path, revoked: Path | None = None) -> bool | None:
    """Compare once: True or False as the lists agree now or not, None when the SuperLink is away."""
    registrar.report.begin()
    declared = read_list(file, registrar.report, revoked)
    if declared is None:
        return False
    try:
        return registrar.reconcile(declared)
    except Unreachable as error:
        registrar.report.trouble("waiting", reason=error.what)
        return None
    except Refused as error:
        registrar.report.trouble("refused", reason=error.what)
        return False


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
    parser.add_argument("--superlink", required=True, metavar="HOST:PORT", help="the SuperLink itself")
    parser.add_argument("--root-certificates", type=Path, metavar="FILE", help="the SuperLink's CA")
    parser.add_argument("--insecure", action="store_true", help="plain HTTP")
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
    except SubmitError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    registrar = Registrar(client, report, listed=options.admission == "listed")
    if options.once:
        return {True: 0, False: 1, None: 3}[attempt(registrar, options.nodes, options.revoked)]
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def compare() -> bool | None:
        try:
            return attempt(registrar, options.nodes, options.revoked)
        finally:
            client.close()  # a connection that idles would hold up the SuperLink when it is to end

    files = [options.nodes, *([options.revoked] if options.revoked else [])]
    watch(compare, files, options.interval, stop)
    report.tell("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
