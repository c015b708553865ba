"""Ports of this machine for servers that tests start, so that tests side by side do not meet."""

from __future__ import annotations

import socket

# Kept until the process ends: a bound socket that does not listen keeps the kernel from handing the port out,
# while a server that sets SO_REUSEADDR, as all of these do, can still bind it.
_HELD: list[socket.socket] = []


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that is this process's from now on; nothing listens at it yet."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port = int(probe.getsockname()[1])
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((host, port))
    _HELD.append(held)
    return port
