"""A session of the stock `flwr` command with one connection."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowerbed import runs
from flowerbed.access.flwr_config import Entry, FlwrConfig, is_ours
from flowerbed.access.proxy import HOST, Proxy, is_answering, proxy
from flowerbed.errors import UsageError
from flowerbed.files import PRIVATE_MODE, write_atomic
from flowerbed.flower.connection import Connection
from flowerbed.flower.proxy import no_proxy, sparing_loopback

_POLL_INTERVAL = 0.2


@dataclass(frozen=True, slots=True)
class Session:
    """A connection that `flwr` can use: its entry, and the proxy behind it where one is needed."""

    entry: Entry
    proxy: Proxy | None
    folder: Path

    def wait(self) -> None:
        """Wait for the proxy's end, which only a failure brings. Raises FlowerbedError."""
        while self.proxy:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.proxy.process.wait(_POLL_INTERVAL)
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


def _entry(connection: Connection, address: str, *, insecure: bool = False) -> Entry:
    entry: Entry = {"address": address, "insecure": insecure or connection.insecure}
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
