"""Call a SuperLink the way its parties do, and say how it answered; the standard library alone.

    check.py fleet=HOST:PORT control=HOST:PORT [ca=FILE] [certificate=FILE key=FILE]
    check.py runtime=HOST:PORT [ca=FILE]

Without `ca` it speaks plain HTTP. Ends with 0 when every answer is the right one, else with 1.
"""

from __future__ import annotations

import http.client
import ssl
import sys
from collections.abc import Mapping

TIMEOUT = 8.0  # seconds
# What only the gateway says, in the SuperLink's absence or about a path that it does not serve.
NOT_FROM_SUPERLINK = frozenset({404, 405, 502, 503, 504})


class WrongAnswerError(Exception):
    """A call was answered otherwise than it should be; the text says how."""


def connect(address: str, said: Mapping[str, str], *, as_user: bool = False) -> http.client.HTTPConnection:
    """Return an open connection, with the server's certificate checked, and with the user's own if asked."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if "ca" not in said:
        connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT)
    else:
        context = ssl.create_default_context(cafile=said["ca"])
        if as_user:
            context.load_cert_chain(said["certificate"], said["key"])
        connection = http.client.HTTPSConnection(host, int(port), timeout=TIMEOUT, context=context)
    connection.connect()
    return connection


def call(connection: http.client.HTTPConnection, path: str) -> int:
    """Return the status of an empty call of the API."""
    try:
        connection.request("POST", path, body=b"", headers={"content-type": "application/protobuf"})
        answer = connection.getresponse()
        answer.read(65536)  # of more than that none is read
        return answer.status
    finally:
        connection.close()


def check_fleet(address: str, said: Mapping[str, str]) -> str:
    """A node without a key or an id is turned away, by the SuperLink itself."""
    status = call(connect(address, said), "/v1/fleet/send-node-heartbeat")
    if status in NOT_FROM_SUPERLINK:
        raise WrongAnswerError(f"HTTP {status}, which is not the SuperLink's answer")
    return f"the SuperLink answers (HTTP {status} to an empty call)"


def check_control(address: str, said: Mapping[str, str]) -> str:
    """A user gets the list of runs; a stranger gets no TLS connection."""
    if "ca" in said:
        refuse_stranger(address, said)
        if "certificate" not in said:
            return "a stranger is refused"
    status = call(connect(address, said, as_user="certificate" in said), "/v1/control/list-runs")
    if status != http.client.OK:
        raise WrongAnswerError(f"HTTP {status} to the question for the runs")
    return "it lists its runs"


def refuse_stranger(address: str, said: Mapping[str, str]) -> None:
    """Raise WrongAnswerError when a call without a client certificate is answered."""
    try:
        # In TLS 1.3 a client learns only from the first answer that it was refused.
        status = call(connect(address, said), "/v1/control/list-runs")
    except ssl.SSLCertVerificationError:
        raise
    except (ssl.SSLError, ConnectionError):
        return
    raise WrongAnswerError(f"a stranger without a client certificate gets HTTP {status}")


def check_runtime(address: str, said: Mapping[str, str]) -> str:
    """The Runtime API is there under its right name; nothing is asked, so that nothing is logged."""
    connect(address, said).close()
    return "reachable"


CHECKS = {"fleet": check_fleet, "control": check_control, "runtime": check_runtime}


def main(arguments: list[str]) -> int:
    """Check every audience that is named; return the exit code."""
    said = dict(argument.split("=", 1) for argument in arguments)
    failed = False
    for audience, check in CHECKS.items():
        if audience not in said:
            continue
        try:
            print(f"{audience} {said[audience]}: {check(said[audience], said)}")
        except (OSError, WrongAnswerError, http.client.HTTPException) as error:
            print(f"{audience} {said[audience]}: FAILED: {error}")
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
