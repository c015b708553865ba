"""Small HTTP servers for the tests of the client: each answers as the test says."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from flowerbed.flower.client import MEDIA, FlowerClient, messages
from flowerbed.flower.connection import Connection

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers each call with the server's `answer`, and notes what came."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        self.server.calls.append((self.client_address, self.path, dict(self.headers)))
        self.server.answer(self)

    def give(self, status: int, body: bytes, media: str = MEDIA) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    answer: Answer
    calls: list[Any]

    def handle_error(self, *_: object) -> None:
        pass


class IPv6Server(Server):
    address_family = socket.AF_INET6


@contextmanager
def serving(
    answer: Answer, tls: ssl.SSLContext | None = None, kind: type[Server] = Server
) -> Iterator[Server]:
    host = "::1" if kind is IPv6Server else "127.0.0.1"
    with kind((host, 0), Handler) as server:
        server.answer, server.calls = answer, []
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def plain(server: Server) -> Connection:
    return Connection(address=f"127.0.0.1:{server.server_address[1]}", insecure=True)


def list_runs(client: FlowerClient) -> Any:  # noqa: ANN401  (Flower's messages have no types)
    control = messages()
    return client.call("control/list-runs", control.ListRunsRequest(limit=3), control.ListRunsResponse)


def reply(now: str = "noon") -> bytes:
    body: bytes = messages().ListRunsResponse(now=now).SerializeToString()
    return body


def well(handler: Handler) -> None:
    """Answer as a SuperLink without runs."""
    handler.give(200, reply())
