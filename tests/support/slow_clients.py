"""Clients that hold what they get: silent, dripping, and for how long the gateway bears them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from support.gateway_calls import call

HEAD = (
    "POST {path} HTTP/1.1\r\nHost: localhost\r\n"
    "Content-Type: application/protobuf\r\nContent-Length: {length}\r\n"
)


def connected(address: str, tls: ssl.SSLContext | None) -> socket.socket:
    """Open a connection, with a finished handshake if there is a context."""
    host, _, port = address.rpartition(":")
    plain = socket.create_connection((host, int(port)), timeout=30)
    return tls.wrap_socket(plain, server_hostname="localhost") if tls else plain


def offered(address: str, tls: ssl.SSLContext | None) -> socket.socket:
    """Open a connection, or return a closed socket where it is turned away while it opens."""
    try:
        return connected(address, tls)
    except ConnectionResetError:
        turned_away = socket.socket()
        turned_away.close()
        return turned_away


def head(path: str, length: int, headers: Mapping[str, str]) -> bytes:
    """Return a request's head."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{HEAD.format(path=path, length=length)}{lines}\r\n".encode()


@contextlib.contextmanager
def dripping(
    address: str,
    tls: ssl.SSLContext,
    request: bytes,
    number: int,
) -> Iterator[list[socket.socket]]:
    """Hold calls of which the head and the beginning of the body were sent."""
    with contextlib.ExitStack() as stack:
        with ThreadPoolExecutor(16) as pool:
            opened = list(pool.map(lambda _: offered(address, tls), range(number)))
        for one in opened:
            stack.callback(one.close)
            with contextlib.suppress(OSError):
                one.sendall(request)
        time.sleep(1)
        yield opened


def is_open(one: socket.socket) -> bool:
    """Return whether a call still waits: neither answered nor closed."""
    try:
        one.settimeout(0.05)  # OSError for a socket that was turned away, too
        one.recv(1)
    except TimeoutError:
        return True
    except OSError:
        pass
    return False


def seconds_open(one: socket.socket, limit: float = 100.0) -> float:
    """Return after how many seconds the other side answers or closes."""
    return _seconds_open(one, time.monotonic(), limit)


def silence(address: str, tls: ssl.SSLContext | None) -> float:
    """Open a connection, say nothing, and return its life in seconds, handshake included."""
    began = time.monotonic()
    return _seconds_open(connected(address, tls), began, 100.0)


def _seconds_open(one: socket.socket, began: float, limit: float) -> float:
    one.settimeout(limit)
    with contextlib.suppress(ConnectionError, ssl.SSLError), contextlib.closing(one):
        one.recv(100)
    return time.monotonic() - began


def places(metrics: str, backend: str) -> int:
    """Return how many calls a backend has handed to the SuperLink at the moment (HAProxy's own count)."""
    page = call(metrics, "/metrics", None, method="GET").body
    wanted = f'haproxy_server_current_sessions{{proxy="{backend}",server="superlink"}}'
    return next(int(float(line.split()[-1])) for line in page.splitlines() if line.startswith(wanted))
