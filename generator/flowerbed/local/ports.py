"""Ports of a local federation on 127.0.0.1: found free or as declared, and kept from other federations.

On Linux a port is reserved in two ways for as long as its supervisor lives. A bound socket that does not
listen keeps the kernel from handing the port to anybody else, while a server that sets SO_REUSEADDR, as
uvicorn and HAProxy do, can still bind it. And a name in the abstract socket namespace tells other
supervisors, whose own probe would otherwise succeed for the same reason.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from flowerbed.errors import LocalError

HOST = "127.0.0.1"
_LINUX = sys.platform == "linux"


class TakenError(LocalError):
    """A port is in use; the message says by whom, where that can be found out."""


class Reservation:
    """Ports that this process holds, by purpose; `release` gives them back."""

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}
        self._held: list[socket.socket] = []

    def take(self, purpose: str, port: int) -> int:
        """Reserve `port` (0: any free one) for `purpose` and return it. Raises TakenError."""
        port, held = _bind(port) if port else _bind_any()
        self._held += held
        self.ports[purpose] = port
        return port

    def release(self) -> None:
        """Give all ports back."""
        _close(self._held)
        self._held, self.ports = [], {}


def reserve(purposes: tuple[str, ...], declared: Mapping[str, int], last: Mapping[str, int]) -> Reservation:
    """Reserve one port per purpose: as declared, else the one of the last time if it is free, else any.

    Raises LocalError, with nothing reserved, where a declared port is taken.
    """
    reservation = Reservation()
    try:
        # Declared ones first: a free one that the kernel picks could otherwise be one of them.
        for purpose in sorted(purposes, key=lambda each: not declared.get(each)):
            if port := declared.get(purpose, 0):
                reservation.take(purpose, port)
                continue
            try:
                reservation.take(purpose, last.get(purpose, 0))
            except TakenError:
                reservation.take(purpose, 0)
    except BaseException:
        reservation.release()
        raise
    return reservation


def _bind_any() -> tuple[int, list[socket.socket]]:
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = probe.getsockname()[1]
        with contextlib.suppress(TakenError):
            return _bind(port)


def _bind(port: int) -> tuple[int, list[socket.socket]]:
    """Return the port and the sockets that hold it. Raises TakenError."""
    held = [_claim_name(port)] if _LINUX else []
    bound = socket.socket()
    held.append(bound)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError as error:
        _close(held)
        raise _taken(port, error) from None
    if not _LINUX:  # elsewhere a bound socket would keep the server out: the port is only known to be free
        _close(held)
        held = []
    return port, held


def _close(sockets: list[socket.socket]) -> None:
    for each in sockets:
        each.close()


def _claim_name(port: int) -> socket.socket:
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0flowerbed/port/{port}")
    except OSError as error:
        name.close()
        raise _taken(port, error) from None
    return name


def _taken(port: int, error: OSError) -> TakenError:
    if error.errno == errno.EACCES:
        return TakenError(f"port {port} may not be used by this account", remedy="declare one from 1024 on")
    if error.errno != errno.EADDRINUSE:
        return TakenError(f"port {port} cannot be used: {error.strerror}", remedy="declare another one")
    owner = _owner(port)
    remedy = "end that program, or declare another port under `local.ports`"
    return TakenError(f"port {port} is taken{f' by {owner}' if owner else ''}", remedy=remedy)


def _owner(port: int) -> str:
    """Return who holds a port, as far as Linux lets this account see it."""
    inodes = _listeners(port) | _names(port)
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            target = str(link.readlink())
            if target.startswith("socket:[") and target[8:-1] in inodes:
                command = (
                    (link.parents[1] / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
                return f"process {link.parents[1].name} ({command.strip()[:100]})"
    return ""


def _listeners(port: int) -> set[str]:
    # Columns of proc(5): local address, state (0A is listening), inode.
    return {
        columns[9]
        for table in ("tcp", "tcp6")
        for columns in _rows(Path("/proc/net") / table)
        if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port
    }


def _names(port: int) -> set[str]:
    rows = _rows(Path("/proc/net/unix"))
    return {columns[6] for columns in rows if columns[7:8] == [f"@flowerbed/port/{port}"]}


def _rows(table: Path) -> list[list[str]]:
    try:
        return [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
