"""What each audience is told when the SuperLink fails inside, by a server that always does."""

from __future__ import annotations

import http.client
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from flowerbed.local.ports import reserve
from support.gateway_calls import call
from support.local_federation import until
from support.needed import require
from support.paths import ROOT

CONFIG = ROOT / "charts" / "superlink" / "files" / "haproxy.cfg"
LISTENERS = ("fleet", "control", "runtime", "readiness", "metrics")


class Failing(BaseHTTPRequestHandler):
    """Is in good health, and answers every call with 500: what a SuperLink does whose disk is full."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Tell the health."""
        self._answer(200)

    def do_POST(self) -> None:
        """Fail."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(500)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def gateway() -> Iterator[dict[str, str]]:
    """Start a gateway before such a server; return its addresses."""
    require("haproxy")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Failing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    reservation = reserve(LISTENERS, {}, {})
    ports = {f"GATEWAY_{name.upper()}_PORT": str(port) for name, port in reservation.ports.items()}
    addresses = {name: f"127.0.0.1:{port}" for name, port in reservation.ports.items()}
    environment = {
        "PATH": os.environ["PATH"],
        "GATEWAY_HOST": "127.0.0.1",
        "GATEWAY_INSECURE": "true",
        "GATEWAY_SUPERLINK_PORT": str(server.server_port),
        **ports,
    }
    reservation.release()
    with subprocess.Popen(
        ["haproxy", "-db", "-f", str(CONFIG)], env=environment, stdout=subprocess.DEVNULL
    ) as process:
        try:
            until(lambda: answers(addresses["readiness"]), 10, "the gateway before the server")
            yield addresses
        finally:
            process.terminate()
            process.wait(10)
            server.shutdown()
            server.server_close()


def answers(address: str) -> bool:
    """Tell whether the gateway is there and sees the server."""
    try:
        return call(address, "/live", None, method="GET").status == 200
    except OSError:
        return False


def test_an_inner_failure_is_told_so_that_nobody_gives_up(gateway: dict[str, str]) -> None:
    """SuperNodes read 503, app processes lose the connection, users learn the truth, the probe fails."""
    assert call(gateway["fleet"], "/v1/fleet/pull-messages", None).status == 503
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        call(gateway["runtime"], "/v1/runtime/acquire-task", None)
    assert call(gateway["control"], "/v1/control/list-runs", None).status == 500
    assert call(gateway["readiness"], "/ready", None, method="GET").status == 500
