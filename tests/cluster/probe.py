"""What a program in a pod reaches. It runs in the pod as it is; its first argument is the question, as JSON:

    {"connect": [[HOST, PORT], ...], "patience": SECONDS}     which of these take a connection, or refuse it
    {"routes": [PATH, ...], "at": [HOST, PORT], "ca": PEM}    what each HTTPS route answers there
    {"listening": true}                                       on which addresses and ports this pod listens

Calls of "routes" carry the "headers" that are given beside it. The answer is JSON on stdout.
Standard library alone, because it is sent to the images' own Python.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

NOTHING = "–"
LISTENING = "0A"  # TCP_LISTEN in /proc/net/tcp (linux/include/net/tcp_states.h)


def reached(address: list[Any], patience: float) -> bool:
    """Return whether a packet came back: a refusal also passed every NetworkPolicy on its way."""
    try:
        socket.create_connection((address[0], address[1]), timeout=patience).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True


def connect(addresses: list[list[Any]], patience: float) -> list[list[Any]]:
    """Return those of the addresses that answer, all tried at once."""
    with ThreadPoolExecutor(len(addresses)) as pool:
        found = pool.map(lambda address: reached(address, patience), addresses)
    return [address for address, there in zip(addresses, found, strict=True) if there]


def answer(connection: http.client.HTTPSConnection, route: str, headers: dict[str, str]) -> str:
    """Return `yes` if the SuperLink answered, the gateway's own status, or NOTHING if TLS ended the call."""
    try:
        # The SuperLink refuses this content type before it does anything.
        connection.request("POST", route, b"", {"Content-Type": "text/x-nothing", **headers})
        response = connection.getresponse()
        response.read()
    except (ssl.SSLError, ConnectionError, http.client.HTTPException):
        connection.close()
        return NOTHING
    return "yes" if response.headers.get("server") == "uvicorn" else str(response.status)


def routes(
    paths: list[str], at: tuple[str, int], tls: ssl.SSLContext, headers: dict[str, str]
) -> dict[str, str]:
    """Return what each route answers to a POST."""
    with closing(http.client.HTTPSConnection(at[0], at[1], timeout=60, context=tls)) as connection:
        return {path: answer(connection, path, headers) for path in paths}


def listening() -> list[list[Any]]:
    """Return every address and port on which this network namespace takes TCP connections."""
    found = {tuple(each) for file in ("tcp", "tcp6") for each in sockets(Path("/proc/net", file))}
    return sorted(map(list, found))


def sockets(table: Path) -> Iterator[tuple[str, int]]:
    """Yield what listens, from one of the kernel's tables (proc(5))."""
    for line in table.read_text().splitlines()[1:]:
        _, local, _, state = line.split()[:4]
        host, _, port = local.partition(":")
        if state == LISTENING:
            # Words of 4 bytes, each in the machine's order.
            words = [int(host[i : i + 8], 16).to_bytes(4, sys.byteorder) for i in range(0, len(host), 8)]
            family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
            yield socket.inet_ntop(family, b"".join(words)), int(port, 16)


def main(question: dict[str, Any]) -> Any:  # noqa: ANN401
    """Answer a question."""
    if "connect" in question:
        return connect(question["connect"], question["patience"])
    if "routes" in question:
        tls = ssl.create_default_context(cadata=question["ca"])
        return routes(question["routes"], tuple(question["at"]), tls, question.get("headers", {}))
    return listening()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(json.loads(sys.argv[1]))))
