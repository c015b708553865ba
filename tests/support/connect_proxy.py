"""An HTTP proxy on loopback that answers CONNECT, as tinyproxy and Squid do."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Tunnels(socketserver.ThreadingTCPServer):
    """A proxy that knows one host: it carries bytes to and fro, as tinyproxy and Squid do."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, target: tuple[str, int], answer: bytes, wanted: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.target, self.answer, self.wanted = target, answer, wanted
        self.asked: list[str] = []


class _Tunnel(socketserver.StreamRequestHandler):
    server: Tunnels

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n") and (line := self.rfile.readline(1000)):
            head += line
        text = head.decode()
        self.server.asked.append(text)
        if self.server.wanted not in text:
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        self.wfile.write(self.server.answer)
        if b" 200" not in self.server.answer:
            return
        with socket.create_connection(self.server.target) as there:
            back = threading.Thread(target=_copy, args=(there, self.connection), daemon=True)
            back.start()
            _copy(self.connection, there)
            back.join()


def _copy(source: socket.socket, to: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            to.sendall(piece)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def tunnels(port: int, answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n", wanted: str = "") -> Iterator[Tunnels]:
    with Tunnels(("127.0.0.1", port), answer, wanted) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
