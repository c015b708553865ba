"""Start a SuperNode once its SuperLink lets it in: `supernode --state DIR FLAGS OF FLOWER-SUPERNODE...`

`flower-supernode` ends at once when its key is not registered yet, and after a crash its key is locked for a
minute, because the SuperLink still counts it as online. This program waits in its place and says why, frees
the key that an earlier start left online (it remembers the node's id in DIR), and then becomes
`flower-supernode`. What that start was working on is lost: so the node stays offline for a moment, for the
ServerApp to be told. A node without a key, or over plain HTTP, has nothing to wait for and starts directly.

Needs the package around it and `flwr`.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import email.utils
import hashlib
import os
import signal
import ssl
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ..client import FlowerClient, flwr_without_init
from ..connection import Connection, flower_options, roots
from ..errors import FlowerbedError, RefusedError, UnreachableError
from ..text import write

if TYPE_CHECKING:
    import http.client

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

# Flower's own names for the Fleet API (flwr 1.41: supercore/constant.py, common/constant.py).
PUBLIC_KEY_HEADER = "flwr-public-key"
TIMESTAMP_HEADER = "flwr-timestamp"
SIGNATURE_HEADER = "flwr-signature"
HEARTBEAT_SECONDS = 30.0
NOT_ACTIVATED = 2004  # the key is unknown, unregistered, or online already
# A signature counts from 5 s before until 305 s after its time.
LATEST_AHEAD, LATEST_BEHIND = 5.0, 305.0
# OpenSSL's numbers (x509_vfy.h) for what may be wrong with the server's certificate.
NOT_YET_VALID, EXPIRED = 9, 10
WRONG_NAME = {62, 64}
PROGRAM = "flower-supernode"
PAUSE = 1.0  # seconds between two tries
# A ServerApp asks for answers every 3 s (flwr 1.41: superlink/grid/http_grid.py), and is told that one is
# lost only while the node is offline; else it waits for as long as its strategy lets it.
OFFLINE_SECONDS = 4.0
# Who had to wait so long was perhaps online before, in a place of which nothing is remembered.
LONG_WAIT = 20.0
# For the observer: when the node may be online, in monotonic seconds.
ONLINE_FROM = "FLOWERBED_ONLINE_FROM"


class Fleet(FlowerClient):
    """Calls the Fleet API as one node: every call is signed with the node's key."""

    def __init__(self, connection: Connection, key: EllipticCurvePrivateKey) -> None:
        from cryptography.hazmat.primitives import serialization

        super().__init__(connection, timeout=10.0)
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        self.public = key.public_key().public_bytes(serialization.Encoding.PEM, spki)
        self.ahead = 0.0
        self._key = key

    def activate(self) -> int:
        """Become online and return the node's id. Raises UnreachableError or RefusedError."""
        with flwr_without_init():
            from flwr.proto.fleet_pb2 import ActivateNodeRequest, ActivateNodeResponse
        request = ActivateNodeRequest(public_key=self.public, heartbeat_interval=HEARTBEAT_SECONDS)
        answer = self.call("fleet/activate-node", request, ActivateNodeResponse, self._signed())
        return int(answer.node_id)

    def deactivate(self, node_id: int) -> None:
        """Become offline, so that the key is free. Raises UnreachableError or RefusedError."""
        with flwr_without_init():
            from flwr.proto.fleet_pb2 import DeactivateNodeRequest, DeactivateNodeResponse
        request = DeactivateNodeRequest(node_id=node_id)
        self.call("fleet/deactivate-node", request, DeactivateNodeResponse, self._signed())

    def _signed(self) -> dict[str, str]:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        moment = datetime.now(UTC).isoformat()
        signature = self._key.sign(moment.encode(), ec.ECDSA(hashes.SHA256()))
        return {
            PUBLIC_KEY_HEADER: base64.b64encode(self.public).decode(),
            TIMESTAMP_HEADER: moment,
            SIGNATURE_HEADER: base64.b64encode(signature).decode(),
        }

    def _check(self, response: http.client.HTTPResponse, media: str) -> None:
        # How far this machine's clock is ahead of the SuperLink's, in seconds (its header has whole ones).
        if said := response.headers.get("date"):
            self.ahead = (datetime.now(UTC) - email.utils.parsedate_to_datetime(said)).total_seconds()
        super()._check(response, media)


class Admission:
    """Waits until the SuperLink lets the node in. `memory` keeps the node's id from one start to the next."""

    def __init__(self, fleet: Fleet, memory: Path, reason_file: Path | None) -> None:
        self.fleet = fleet
        self.memory = memory
        self.reason_file = reason_file
        self.said = ""

    def wait(self) -> float:
        """Return once it is admitted and its key is free: when it may be online, in monotonic seconds."""
        began = time.monotonic()
        self.say(f"this node's key is {fingerprint(self.fleet.public)}; asking {self._address} to let it in")
        left = self.remembered()
        was_online = left is not None
        while True:
            try:
                if left is not None:
                    self.release(left)
                    left = None
                node_id = self.fleet.activate()
                self.remember(node_id)
                self.release(node_id)
            except (UnreachableError, RefusedError) as error:
                self.say(f"waiting: {self.reason(error)}")
                time.sleep(PAUSE)
            else:
                self.say(f"admitted as node {node_id}")
                now = time.monotonic()
                return now + OFFLINE_SECONDS if was_online or now - began > LONG_WAIT else 0.0

    @property
    def _address(self) -> str:
        return self.fleet.connection.address

    def release(self, node_id: int) -> None:
        """Take the node offline. A refusal means that it was offline or is no longer known."""
        with contextlib.suppress(RefusedError):
            self.fleet.deactivate(node_id)

    def remembered(self) -> int | None:
        """Return the id that an earlier start left, if any."""
        try:
            return int(self.memory.read_text())
        except (OSError, ValueError):
            return None

    def remember(self, node_id: int) -> None:
        """Keep the id for the next start."""
        new = self.memory.with_name(f"{self.memory.name}.new")
        new.write_text(f"{node_id}\n")
        new.replace(self.memory)

    def say(self, text: str) -> None:
        """Keep a line where the pod's status shows it, then print it, unless it was the last one."""
        if text == self.said:
            return
        self.said = text
        if self.reason_file:
            self.reason_file.write_text(f"{text}\n", encoding="utf-8")
        write(sys.stdout, f"supernode: {text}\n")

    def reason(self, error: FlowerbedError) -> str:
        """Return in plain words why the node is not let in."""
        if isinstance(error, RefusedError):
            return self._refused(error)
        cause = error.__context__
        if isinstance(cause, ssl.SSLCertVerificationError):
            return self._not_trusted(cause)
        if isinstance(cause, ssl.SSLError) and "WRONG_VERSION" in (cause.reason or ""):
            return f"wrong port: {self._address} does not speak TLS"
        return f"unreachable: {error.what}"

    def _refused(self, refusal: RefusedError) -> str:
        if refusal.code == NOT_ACTIVATED:
            key = fingerprint(self.fleet.public)
            return f"not admitted: key {key} is not registered, or a SuperNode with it is online already"
        if refusal.status == 401:
            return self._signature_refused()
        return f"refused: {refusal.detail} (HTTP {refusal.status})"

    def _signature_refused(self) -> str:
        ahead = self.fleet.ahead
        if ahead > LATEST_AHEAD - 1 or ahead < -LATEST_BEHIND + 1:
            way = "ahead of" if ahead > 0 else "behind"
            return f"clock skew: this machine's clock is {abs(ahead):.0f} s {way} the SuperLink's"
        return "not admitted: the SuperLink does not accept this node's signature"

    def _not_trusted(self, error: ssl.SSLCertVerificationError) -> str:
        if error.verify_code in WRONG_NAME:
            host = self.fleet.connection.host
            return f"wrong name: the certificate at {self._address} does not name {host}"
        if error.verify_code in {NOT_YET_VALID, EXPIRED}:
            which = "has expired" if error.verify_code == EXPIRED else "is not valid yet"
            now = datetime.now(UTC)
            return (
                f"wrong date: the certificate at {self._address} {which}; it is {now:%Y-%m-%d %H:%M} UTC here"
            )
        roots = self.fleet.connection.root_certificates
        return f"wrong CA: {roots} did not sign the certificate at {self._address} ({error.verify_message})"


def fingerprint(public: bytes) -> str:
    """Return the name that the logs of node, gateway and registrar give to a public key (PEM)."""
    return hashlib.sha256(public).hexdigest()[:16]


def read_key(file: Path) -> EllipticCurvePrivateKey | None:
    """Return the node's key, or None for one that only `flower-supernode` itself should judge."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_ssh_private_key(file.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def own_flags(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return this program's flags, and the rest, which is flower-supernode's."""
    parser = argparse.ArgumentParser(prog="supernode.py", allow_abbrev=False, usage=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="directory that outlives a restart")
    parser.add_argument(
        "--reason-file", type=Path, help="file for the last reason, e.g. /dev/termination-log"
    )
    parser.add_argument(
        "--observer", type=Path, help="Python file that starts flower-supernode in its own process"
    )
    return parser.parse_known_args(arguments)


def become(arguments: list[str], observer: Path | None, online_from: float = 0.0) -> NoReturn:
    """Replace this process by flower-supernode, or by the observer, which starts it while the time passes."""
    sys.stdout.flush()
    if observer and online_from:
        os.environ[ONLINE_FROM] = f"{online_from:.1f}"
    else:
        time.sleep(max(0.0, online_from - time.monotonic()))
    command = [sys.executable, str(observer)] if observer else [PROGRAM]
    try:
        os.execvp(command[0], [*command, *arguments])  # noqa: S606  (no shell is what we want)
    except OSError as error:
        sys.exit(f"error: cannot start {PROGRAM}: {error.strerror}; is flwr installed and on the PATH?")


def main(argv: list[str]) -> NoReturn:
    """Wait for admission if there is something to wait for, then become flower-supernode."""
    own, flower = own_flags(argv)
    flags = flower_options(flower)
    key = read_key(flags.auth_supernode_private_key) if flags.auth_supernode_private_key else None
    if flags.insecure or key is None:
        become(flower, own.observer)
    for number in (signal.SIGTERM, signal.SIGINT):
        # As process 1 of a container there is no default action: without these it could not be stopped.
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        connection = Connection(address=flags.superlink, root_certificates=roots(flags.root_certificates))
        fleet = Fleet(connection, key)
        own.state.mkdir(parents=True, exist_ok=True)
        online_from = Admission(fleet, own.state / "node-id", own.reason_file).wait()
        fleet.close()
    except FlowerbedError as error:
        write(sys.stderr, f"error: {error}\n")
        sys.exit(error.exit_code)
    become(flower, own.observer, online_from)


if __name__ == "__main__":
    main(sys.argv[1:])
