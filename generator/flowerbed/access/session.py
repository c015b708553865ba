"""A session of the stock `flwr` command with one connection.

A HAProxy on loopback adds the client certificate which `flwr` cannot present.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowerbed import runs
from flowerbed.access.details import common_name
from flowerbed.access.flwr_config import FlwrConfig, FlwrEntry, is_ours
from flowerbed.errors import FlowerbedError, UnreachableError, UsageError
from flowerbed.files import PRIVATE_MODE, write_atomic
from flowerbed.flower.connection import Connection
from flowerbed.flower.proxy import connected, no_proxy, sparing_loopback
from flowerbed.local.watchdog import Watchdog

HOST = "127.0.0.1"
CONFIG = Path(__file__).parent / "haproxy.cfg"
# Of HAProxy, in seconds: until it answers, between two looks, and for an end in order.
_START_TIMEOUT = 20.0
_POLL_INTERVAL = 0.02
_GRACE_PERIOD = 2.0


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that runs: `address` is for flwr's configuration and holds the session's password."""

    port: int
    address: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise FlowerbedError if the proxy has ended."""
        if self.process.poll() is not None:
            printed = self.log.read_text(errors="replace").strip()[-2000:]
            raise FlowerbedError(f"HAProxy ended (exit code {self.process.returncode})\n{printed}")


@contextlib.contextmanager
def proxy(connection: Connection, folder: Path, port: int = 0) -> Iterator[Proxy]:
    """Run a proxy to a connection's SuperLink, its files in the private `folder`; `port` 0: any free one.

    It ends with the context, and soon after this process ends in any other way. It opens files and resolves
    the server's name once: a renewed certificate or a moved server needs another session.
    Raises UsageError where HAProxy is missing, UnreachableError, FlowerbedError.
    """
    program = shutil.which("haproxy")
    if program is None:
        remedy = "install it (`apt install haproxy`, `brew install haproxy`), or use `flowerbed submit`"
        raise UsageError(
            "flwr cannot present your client certificate, and HAProxy is not installed", remedy=remedy
        )
    with contextlib.closing(_listener(port)) as listener:
        password = secrets.token_urlsafe(24)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PROXY_LISTENER": str(listener.fileno()),
            "PROXY_PASSWORD": password,
            **_server(connection, folder),
            **_mark(folder),
        }
        log = folder / "haproxy.log"
        with _started(program, environment, listener, log) as process:
            at = listener.getsockname()[1]
            # The child has the socket now; ours would take calls that nobody answers.
            listener.close()
            running = Proxy(at, f"flowerbed:{password}@{HOST}:{at}", process, log)
            _await(running)
            yield running


def is_answering(port: int) -> bool:
    """Return whether anybody listens on a port of this machine's loopback."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def _listener(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise UsageError(
            f"cannot listen on {HOST}:{port}: {error.strerror}", remedy="leave --port out"
        ) from None


def _mark(folder: Path) -> dict[str, str]:
    return {"FLOWERBED_PROXY": str(folder)}


def _server(connection: Connection, folder: Path) -> dict[str, str]:
    """Return the environment that names the server; links lead to the user's files, nothing is copied."""
    certificate, key = connection.client_certificate, connection.client_key
    assert certificate is not None and key is not None  # noqa: S101, PT018  (nobody else needs a proxy)
    (folder / "client.crt").symlink_to(certificate.absolute())
    (folder / "client.key").symlink_to(key.absolute())
    name = _server_name(connection)
    trust = connection.root_certificates
    return {
        "PROXY_SERVER": connection.address,
        "PROXY_NAME": name,
        "PROXY_SNI": "str()" if _is_address(connection.host) else f"str({name})",
        "PROXY_TRUST": str(trust.absolute()) if trust else "@system-ca",
        "PROXY_CLIENT": str(folder / "client.crt"),
    }


def _server_name(connection: Connection) -> str:
    """Return the name to verify: the host, or for an address a name of the certificate that stands for it.

    HAProxy 2.6 compares DNS names alone. So Python, which compares addresses too, meets the server once.
    """
    if not _is_address(connection.host):
        return connection.host
    context = connection.tls()
    assert context is not None  # noqa: S101  (it has a client certificate)
    try:
        with (
            connected(connection.host, connection.port, 10) as plain,
            context.wrap_socket(plain, server_hostname=connection.host) as opened,
        ):
            certificate = opened.getpeercert() or {}
            der = opened.getpeercert(binary_form=True) or b""
    except OSError as error:
        reason = getattr(error, "verify_message", "") or error.strerror or str(error)
        raise UnreachableError(f"{connection.address}: {reason}") from None
    names = [str(pair[1]) for pair in certificate.get("subjectAltName", ()) if pair[0] == "DNS"]
    name = next((each for each in names if "*" not in each), "") or common_name(der)
    if not name:
        what = (
            f"the certificate of {connection.address} has no DNS name, by which alone HAProxy knows a server"
        )
        raise UsageError(what, remedy="use `flowerbed submit`, or an address with a name")
    return name


def _is_address(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(host))
    return False


@contextlib.contextmanager
def _started(
    program: str, environment: dict[str, str], listener: socket.socket, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    [(name, value)] = _mark(log.parent).items()
    watchdog = Watchdog(f"{name}={value}")
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program, "-db", "-f", str(CONFIG)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=(listener.fileno(),),
                start_new_session=True,  # the terminal's Ctrl-C is for whoever uses the proxy
                umask=0o077,
            )
        watchdog.add(process.pid)
        try:
            yield process
        finally:
            _end(process)
            watchdog.remove(process.pid)
    finally:
        watchdog.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE_PERIOD)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _await(running: Proxy) -> None:
    """Wait until the proxy answers a call without the password, by refusing it."""
    end = time.monotonic() + _START_TIMEOUT
    while True:
        running.check()
        with contextlib.suppress(OSError, http.client.HTTPException):
            opened = http.client.HTTPConnection(HOST, running.port, timeout=1)
            with contextlib.closing(opened):
                opened.request("GET", "/")
                if opened.getresponse().status == http.HTTPStatus.UNAUTHORIZED:
                    return
        if time.monotonic() > end:
            raise FlowerbedError(f"HAProxy does not answer on {HOST}:{running.port}")
        time.sleep(_POLL_INTERVAL)


_CHECK_INTERVAL = 0.2


@dataclass(frozen=True, slots=True)
class Session:
    """A connection that `flwr` can use: its entry, and the proxy behind it where one is needed."""

    entry: FlwrEntry
    proxy: Proxy | None
    folder: Path

    def wait(self) -> None:
        """Wait for the proxy's end, which only a failure brings. Raises FlowerbedError."""
        while self.proxy:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.proxy.process.wait(_CHECK_INTERVAL)
            self.proxy.check()


@contextlib.contextmanager
def session(connection: Connection, port: int = 0) -> Iterator[Session]:
    """Make a connection usable for `flwr` while the context lasts.

    The SuperLink is called once first. Raises UnreachableError, NotAllowedError, UsageError.
    """
    runs.list_runs(connection, 1)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flowerbed-flwr-")))
        if connection.client_certificate is None:
            yield Session(_entry(connection, connection.address), None, folder)
            return
        running = stack.enter_context(proxy(connection, folder, port))
        yield Session(_entry(connection, running.address, insecure=True), running, folder)


def _entry(connection: Connection, address: str, *, insecure: bool = False) -> FlwrEntry:
    entry: FlwrEntry = {"address": address, "insecure": insecure or connection.insecure}
    if connection.root_certificates and not insecure:
        entry["root-certificates"] = str(connection.root_certificates.absolute())
    if connection.federation:
        entry["federation"] = connection.federation
    return entry


@contextlib.contextmanager
def configured(config: FlwrConfig, name: str, opened: Session) -> Iterator[None]:
    """Have flwr's configuration name a session; an entry with a password goes when the session ends.

    Raises UsageError where another session that runs has the name.
    """
    known = config.entry(name)
    if known and is_ours(known) and is_answering(int(str(known["address"]).rpartition(":")[2])):
        what = f"another session has the connection {name!r}"
        raise UsageError(what, where=str(config.file), remedy="give this one another name by --name")
    config.add(name, opened.entry)
    try:
        yield
    finally:
        if opened.proxy:
            config.remove(name, opened.entry)


def run_in(opened: Session, name: str, command: Sequence[str]) -> int:
    """Run a command whose `flwr` has the session for its default; return its exit code, 128+N for signal N.

    Its FLWR_HOME is a folder of the session's, which is gone at the end. Raises UsageError.
    """
    home = opened.folder / "home"
    home.mkdir(mode=0o700)
    # A file of ours alone: nothing of the user's can be in its way.
    write_atomic(home / "config.toml", f'[superlink]\ndefault = "{name}"\n'.encode(), PRIVATE_MODE)
    FlwrConfig(home / "config.toml").add(name, opened.entry)
    # The flwr beside this Python is found, too, where no other is on the PATH.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    surroundings = {**os.environ, **past_proxies(), "PATH": path, "FLWR_HOME": str(home)}
    try:
        process = subprocess.Popen(list(command), env=surroundings)
    except OSError as error:
        raise UsageError(f"cannot run {command[0]!r}: {error.strerror}") from None
    asked = False
    while True:
        try:
            code = process.wait()
            return code if code >= 0 else 128 - code
        except KeyboardInterrupt as interruption:
            # Ctrl-C of a terminal reaches the command by itself; what it makes of it is its own affair.
            if asked or 15 in interruption.args:
                process.terminate()
            asked = True


def past_proxies() -> dict[str, str]:
    """Return the environment by which calls to loopback go past the proxies of the environment."""
    return sparing_loopback(no_proxy())


def misled() -> bool:
    """Return whether a proxy of the environment would get the calls to loopback."""
    kept = no_proxy()
    proxies = [os.environ.get(name) for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")]
    return any(proxies) and HOST not in re.split(r"[,\s]+", kept) and kept.strip() != "*"
