"""A small real federation for the tests of submitting: SuperLink, SuperExec, gateway, on loopback.

As in a pod: TLS everywhere, process isolation, SQLite, and HAProxy with the chart's own configuration.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from unittest import mock

from flowerbed import runs
from flowerbed.errors import FlowerbedError
from flowerbed.files import PRIVATE_MODE, write_atomic
from flowerbed.flower.client import FlowerClient, messages
from flowerbed.flower.connection import Connection
from flowerbed.identities import CertificateAuthority, NodeKey, validity
from flowerbed.identities.revocations import key_fingerprint
from flowerbed.local.process_files import write_start
from support.needed import require
from support.paths import ROOT
from support.ports import free_port

GATEWAY = ROOT / "charts" / "superlink" / "files" / "haproxy.cfg"
BIN = Path(sys.executable).parent
SUBMIT = ROOT / "scripts" / "submit.py"
LIMIT = 300.0  # seconds that a run may take on a busy machine
START = 120.0  # seconds that a part may take to start on a busy machine
ALIAS = "superlink.example.org"  # a name that the gateway's certificate has, and no name server knows
NODES = 16  # that a test may start
STARTS = os.environ.get("FLOWERBED_TEST_STARTS", "")  # shared by all federations of a run of the tests
PORTS = ("superlink", "fleet", "control", "runtime", "readiness", "metrics")


class Federation:
    """The parts as processes that can be ended and started again, with the files of its users."""

    def __init__(self, folder: Path, *, direct: bool = False) -> None:
        self.folder = folder
        # Flower's own log upload ends for good at a gateway's 503 (flwr 1.41), but not at a lost connection.
        self._runtime = "superlink" if direct else "runtime"
        self.ports = {name: free_port() for name in PORTS}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._authority = CertificateAuthority.create("hospitals")
        # The gateway reads the admitted keys when it starts, so those of all nodes are there before.
        self._keys = [NodeKey.generate() for _ in range(NODES)]
        self._write_files()
        write_start(folder / "start", ROOT / "generator/flowerbed/flower")

    def _write_files(self) -> None:
        # The gateway's certificate has names alone, so that its address is a wrong one.
        self.issue_server("gateway", ["localhost", ALIAS])
        self.issue_server("loopback", ["localhost"], ["127.0.0.1"])
        self.write("ca.crt", self._authority.certificate)
        self.write("foreign.crt", CertificateAuthority.create("others").certificate)
        self.write("secret", os.urandom(32).hex().encode())
        self.write("users", b"analyst submitter\nguest viewer\n")
        hashes = [key_fingerprint(key.public.decode()) for key in self._keys]
        self.write("admitted", "\n".join([*hashes, ""]).encode())
        for user in ("analyst", "guest", "stranger"):
            self.issue(user)

    def issue(
        self,
        user: str,
        *,
        file: str = "",
        seconds: float = 86400,
        authority: CertificateAuthority | None = None,
    ) -> None:
        """Write a certificate of a user's that ends after so many seconds, as FILE.crt and FILE.key."""
        begin = validity.now() + timedelta(seconds=seconds) - timedelta(days=1)
        with mock.patch.object(validity, "now", return_value=begin):
            certificate = (authority or self._authority).issue_client(user, "any", 1)
        self.write(f"{file or user}.crt", certificate.certificate)
        self.write(f"{file or user}.key", certificate.private_key)

    def issue_server(
        self,
        file: str,
        names: Sequence[str],
        addresses: Sequence[str] = (),
        authority: CertificateAuthority | None = None,
    ) -> None:
        """Write a server's certificate, as FILE.crt and FILE.key."""
        certificate = (authority or self._authority).issue_server(names, addresses, 2)
        self.write(f"{file}.crt", certificate.certificate)
        self.write(f"{file}.key", certificate.private_key)

    def write(self, name: str, content: bytes) -> Path:
        """Write a file that only we may read; whoever reads it meanwhile gets all of it, old or new."""
        file = self.folder / name
        write_atomic(file, content, PRIVATE_MODE)
        return file

    @property
    def control(self) -> str:
        """Return the address of the Control API at the gateway."""
        return f"localhost:{self.ports['control']}"

    def connection(self, user: str = "analyst") -> Connection:
        """Return a user's connection."""
        return Connection(
            address=self.control,
            root_certificates=self.folder / "ca.crt",
            client_certificate=self.folder / f"{user}.crt",
            client_key=self.folder / f"{user}.key",
        )

    def connection_file(self, user: str = "analyst") -> Path:
        """Return a user's connection.toml."""
        text = (
            f'[superlink]\naddress = "{self.control}"\nroot-certificates = "ca.crt"\n'
            f'client-certificate = "{user}.crt"\nclient-key = "{user}.key"\n'
        )
        return self.write(f"{user}.toml", text.encode())

    def start(self) -> None:
        """Start all parts and wait until the gateway answers."""
        self.start_superlink()
        self.start_superexec()
        self.start_gateway()
        self.await_control()

    def start_superexec(self, max_runs: int = 0) -> None:
        """Start the SuperExec, which runs ServerApps, `max_runs` of them at once (0: as many as come)."""
        runtime = [
            "--runtime-api-address",
            f"localhost:{self.ports[self._runtime]}",
            "--root-certificates",
            "ca.crt",
        ]
        flags = [*runtime, "--superexec-auth-secret-file", "secret"]
        limit = {"FLOWERBED_MAX_RUNS": str(max_runs)}
        self._start("superexec", "flower-superexec", *flags, environment=limit)

    def start_superlink(self) -> None:
        """Start the SuperLink, on the database that it had before."""
        tls = [
            "--ssl-certfile",
            "loopback.crt",
            "--ssl-keyfile",
            "loopback.key",
            "--ssl-ca-certfile",
            "ca.crt",
        ]
        port = str(self.ports["superlink"])
        secret = [
            "--isolation",
            "process",
            "--superexec-auth-secret-file",
            "secret",
            "--database",
            "state.db",
        ]
        flags = ["--enable-supernode-auth", "--disable-runtime-dependency-installation"]
        self._start("superlink", "flower-superlink", "--port", port, *tls, *secret, *flags)

    def start_gateway(self, part: str = "gateway", **changes: str) -> None:
        """Start HAProxy with the chart's configuration; `changes` to its environment make it another one."""
        environment = {f"GATEWAY_{name.upper()}_PORT": str(port) for name, port in self.ports.items()}
        environment |= {
            "GATEWAY_HOST": "127.0.0.1",
            "GATEWAY_INSECURE": "false",
            "GATEWAY_ADMISSION": "open",  # nodes are made, and their keys registered, while it runs
            "GATEWAY_CERTIFICATE": "gateway.crt",
            "GATEWAY_CLIENT_CA": "ca.crt",
            "GATEWAY_USERS": "users",
            "GATEWAY_ADMITTED": "admitted",
            "GATEWAY_LOOPBACK_CA": "ca.crt",
            **changes,
        }
        require("haproxy")
        self._start(part, "haproxy", "-db", "-W", "-f", str(GATEWAY), environment=environment)

    def register(self, name: str) -> NodeKey:
        """Register a new node's key, past the gateway, with the SuperLink itself."""
        key, control = self._keys.pop(), messages()
        direct = Connection(
            address=f"127.0.0.1:{self.ports['superlink']}", root_certificates=self.folder / "ca.crt"
        )
        with FlowerClient(direct) as client:
            request = control.RegisterNodeRequest(public_key=key.public, name=name)
            client.call("control/register-node", request, control.RegisterNodeResponse)
        return key

    def start_supernode(self, name: str) -> None:
        """Register a node's key with the SuperLink itself and start the SuperNode, which knows its name."""
        self.write(f"{name}.node", self.register(name).private)
        flags = [
            "--superlink",
            f"localhost:{self.ports['fleet']}",
            "--root-certificates",
            "ca.crt",
            "--port",
            str(free_port()),
            "--node-config",
            f'name="{name}"',
        ]
        self._start(name, "flower-supernode", *flags, "--auth-supernode-private-key", f"{name}.node")

    def _start(
        self, part: str, program: str, *arguments: str, environment: dict[str, str] | None = None
    ) -> None:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        surroundings = {
            **os.environ,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "FLWR_HOME": str(home),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.3",  # of each node's SuperExec too
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(self.folder / "start"),
            "FLOWERBED_RUN_FOLDERS": str(self.folder / "run-folders"),
            "FLOWERBED_STARTS": STARTS or str(self.folder / "starts"),
            **(environment or {}),
        }
        with (self.folder / f"{part}.log").open("ab") as log:
            self._processes[part] = subprocess.Popen(
                [program, *arguments],
                cwd=self.folder,
                env=surroundings,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, part: str) -> None:
        """End a part at once, with whatever it started."""
        process = self._processes.pop(part)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()

    def end(self) -> None:
        """End all parts."""
        for part in list(self._processes):
            self.kill(part)

    def await_control(self) -> None:
        """Wait until the SuperLink answers through the gateway."""
        control, deadline = messages(), time.monotonic() + START
        with FlowerClient(self.connection(), timeout=5) as client:
            while True:
                try:
                    client.call("control/list-runs", control.ListRunsRequest(), control.ListRunsResponse)
                    return
                except FlowerbedError:
                    ended = [part for part, process in self._processes.items() if process.poll() is not None]
                    assert not ended, (
                        f"{ended} ended: {(self.folder / f'{ended[0]}.log').read_text()[-2000:]}"
                    )
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.2)


@contextmanager
def running(folder: Path, *, direct: bool = False) -> Iterator[Federation]:
    """A federation that runs meanwhile; `direct`: its SuperExec goes past the gateway."""
    federation = Federation(folder, direct=direct)
    try:
        federation.start()
        yield federation
    finally:
        federation.end()


class Submission:
    """A `submit.py` (or another `program`) that runs; `await_line` and `end` read what it says."""

    def __init__(
        self,
        federation: Federation,
        app: Path | str,
        *arguments: str,
        user: str = "analyst",
        program: tuple[str, ...] = (str(SUBMIT),),
    ) -> None:
        connection = federation.connection_file(user)
        command = [sys.executable, *program, str(app), "--connection", str(connection), *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/"
        )
        self.heard = ""

    @property
    def run_id(self) -> str:
        """Wait for the first line on stdout."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def await_line(self, text: str) -> None:
        """Wait until a line on stderr holds the text."""
        assert self.process.stderr
        while text not in (line := self.process.stderr.readline()):
            assert line, f"{text!r} never came: {self.heard}"
            self.heard += line
        self.heard += line

    def end(self) -> tuple[int, str, str]:
        """Wait for the end; return exit code, rest of stdout, all of stderr."""
        assert self.process.stdout
        assert self.process.stderr
        # Not `communicate`, which passes over what `readline` has read ahead.
        limit = threading.Timer(LIMIT, self.process.kill)
        limit.start()
        with ThreadPoolExecutor(1) as pool:
            output = pool.submit(self.process.stdout.read)
            self.heard += self.process.stderr.read()
        code = self.process.wait()
        limit.cancel()
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()
        return code, output.result(), self.heard


def submit(federation: Federation, app: Path, *arguments: str, user: str = "analyst") -> tuple[int, str, str]:
    code, output, errors = Submission(federation, app, *arguments, user=user).end()
    assert 'Traceback (most recent call last):\n  File "' + str(SUBMIT.parent) not in errors
    return code, output, errors


def last_word(federation: Federation, run_id: str) -> str:
    return runs.get_run(federation.connection(), run_id).outcome


def ticks(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"^tick (\d+)$", text, re.MULTILINE)]
